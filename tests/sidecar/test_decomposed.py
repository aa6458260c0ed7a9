"""A decomposed model scores by states computed once, kept in memory and in the store."""

from __future__ import annotations

import time

import numpy as np
import pytest
from onnx import numpy_helper

from sidecar.config import Settings
from sidecar.errors import Unprocessable
from sidecar.factory import make_engine
from sidecar.metrics import Metrics
from sidecar.ranking import RankRequest
from tests.sidecar.tiny import document_graph, encoder, query_graph, write_model

TITLES = ["shoe", "large red shoe", "usb cable", "phone case for acme phone"]
DOCUMENTS = [{"title": title} for title in TITLES]


@pytest.fixture
def start(tmp_path):
    write_model(tmp_path / "models" / "instant", kind="decomposed")
    engines = []

    def begin(**settings):
        metrics = Metrics()
        chosen = Settings(models=tmp_path / "models", default_profile="instant", scoring_threads=2, reload_interval_s=0, **settings)
        engine = make_engine(chosen, metrics)
        engine.refresh()
        engines.append(engine)
        return engine, metrics

    yield begin
    for engine in engines:
        engine.stop(1)


def rank(engine, query: str = "red"):
    unknown = [None] * len(DOCUMENTS)
    return engine.rank(RankRequest(query, DOCUMENTS, unknown, unknown, None, time.monotonic() + 5))


def fill(engine) -> int:
    return engine.fill(DOCUMENTS, profile=None, deadline=time.monotonic() + 5)


def table(graph, name: str) -> np.ndarray:
    return next(numpy_helper.to_array(each) for each in graph.graph.initializer if each.name == name)


def expected(query: str, title: str) -> float:
    reader = encoder()
    asked = table(query_graph(), "table")[reader.single(reader.encode_query(query))].sum(0)
    ids = np.append(reader.encode_document({"title": title}), reader.sep)
    states, scales = (table(document_graph(), name)[ids] for name in ("table", "scale"))
    return float((states * scales[:, None]).sum(0) @ asked)


def encoded(metrics: Metrics) -> float:
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    return sum(each.value for each in samples if each.name == "rerank_batch_items_total" and each.labels["model"].endswith("/document"))


def test_logits_are_the_graphs_for_each_document_whatever_its_neighbours(start):
    engine, _ = start()
    assert rank(engine).scores == pytest.approx([expected("red", title) for title in TITLES], rel=1e-4)


def test_another_query_computes_no_document_again(start):
    engine, metrics = start()
    rank(engine)
    rank(engine, "blue")
    assert encoded(metrics) == len(DOCUMENTS)


def test_what_was_computed_at_first_sight_is_known_after_a_restart(start, tmp_path):
    first, _ = start(store=tmp_path / "store")
    scores = rank(first).scores
    first.stop(1)
    second, metrics = start(store=tmp_path / "store")
    assert rank(second).scores == pytest.approx(scores)
    assert encoded(metrics) == 0


def test_filling_twice_computes_once(start, tmp_path):
    engine, _ = start(store=tmp_path / "store")
    assert (fill(engine), fill(engine)) == (len(DOCUMENTS), 0)


def test_a_filled_store_is_shared_read_only(start, tmp_path):
    writer, _ = start(store=tmp_path / "store")
    fill(writer)
    writer.stop(1)
    reader, metrics = start(store=tmp_path / "store", store_read_only=True)
    rank(reader)
    assert encoded(metrics) == 0
    with pytest.raises(Unprocessable, match="no document store"):
        fill(reader)


def test_another_model_of_the_same_name_never_meets_old_states(start, tmp_path):
    engine, metrics = start(store=tmp_path / "store")
    rank(engine)
    write_model(tmp_path / "models" / "instant", kind="decomposed", passage_prefix="other")
    engine.refresh()
    rank(engine)
    assert encoded(metrics) == 2 * len(DOCUMENTS)


def test_without_a_store_there_is_nothing_to_fill(start):
    with pytest.raises(Unprocessable, match="no document store"):
        fill(start()[0])
