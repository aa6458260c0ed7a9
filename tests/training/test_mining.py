"""A live first pass gives the train queries' hits with their ranks; what it does not give is counted, and another index is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from cluster.errors import ClusterError
from scripts.cli import main
from sidecar.encoding import Fields
from tests.training.progress import no_progress
from tests.training.test_prepare import JUDGED, shop
from training.data.build import ListSettings
from training.data.engine import Engine
from training.data.judgments_file import JudgmentsFile
from training.data.lists import QueryList
from training.data.prepare import write_training_sets
from training.data.report import Report
from training.evaluate.candidates import BM25, KNN, RRF, Scores
from training.evaluate.mining import Mining
from training.training_set import read_lists

LAMP = QueryList("q1", "lamp", ("d1", "d2"), (3.0, 0.0), "shop")
DESK = QueryList("q2", "desk", ("d3",), (1.0,), "shop")
CATALOGUE = {f"d{number}": {"title": f"product {number}"} for number in range(30)}


class Shelf:
    """Documents d0 to d19: words find them in that order, vectors the other way round; `found` of each."""

    documents = 20

    def __init__(self, found: int = 20) -> None:
        self.asked: list[str] = []
        self._ids = [f"d{number}" for number in range(found)]

    def describe(self) -> str:
        return "index shelf, 20 documents"

    def search(self, query: str, depth: int) -> Mapping[str, Scores]:
        self.asked.append(query)
        words = {doc_id: 100.0 - rank for rank, doc_id in enumerate(self._ids[:depth])}
        vectors = {doc_id: 1.0 - rank / 100 for rank, doc_id in enumerate(self._ids[::-1][:depth])}
        return {BM25: words, KNN: vectors}

    def score(self, _query: str, _doc_ids: Sequence[str]) -> Mapping[str, Scores]:
        return {BM25: {}}

    def fields(self, doc_ids: Sequence[str]) -> Mapping[str, Fields]:
        return {doc_id: CATALOGUE[doc_id] for doc_id in doc_ids if doc_id in self._ids}


def nobody(_report: Report) -> None:
    """Hears no report."""


@pytest.mark.parametrize(
    ("first_pass", "best"),
    [(BM25, ["d0", "d1", "d2"]), (KNN, ["d19", "d18", "d17"]), (RRF, ["d0", "d19", "d1"])],
    ids=["bm25", "knn", "rrf"],
)
def test_a_query_has_the_best_hits_of_its_pass(first_pass: str, best: list[str]) -> None:
    run = Mining(Shelf(), first_pass, no_progress, depth=3, hard_below=1)([LAMP], CATALOGUE, nobody)
    assert list(run["q1"]) == best


def test_a_hit_that_the_catalogue_lacks_is_counted_and_keeps_its_rank() -> None:
    reports: list[Report] = []
    run = Mining(Shelf(), BM25, no_progress, depth=12)([LAMP, DESK], CATALOGUE.keys() - {"d0"}, reports.append)
    assert list(run["q1"])[:2] == ["d0", "d1"]
    assert str(reports[-1]).splitlines() == ["mined hits: 24 rows, 22 kept", "  dropped 2: not in the catalogue"]


def test_a_query_without_a_hit_deep_enough_is_counted() -> None:
    class Picky(Shelf):
        def search(self, query: str, depth: int) -> Mapping[str, Scores]:
            return super().search(query, 10 if query == "desk" else 0 if query == "rug" else depth)

    reports: list[Report] = []
    rug = QueryList("q3", "rug", ("d4",), (1.0,), "shop")
    Mining(Picky(), BM25, no_progress)([LAMP, DESK, rug], CATALOGUE, reports.append)
    assert reports[0].dropped == {"no hit": 1, "no hit below rank 10": 1}


@pytest.mark.parametrize(
    ("source", "known", "message"),
    [
        (
            Shelf(1),
            CATALOGUE,
            r"index shelf, 20 documents: none of 3 judged documents of the train part is there\. Index its catalogue first",
        ),
        (Shelf(5), CATALOGUE, r"index shelf, .*: none of 2 queries has a hit below rank 10 by bm25\. Lower --hard-below"),
        (Shelf(), {"sku-1"}, r"index shelf, .*: none of 40 hits of 2 queries is in the catalogue\. Name the file that was indexed"),
    ],
    ids=["index", "depth", "catalogue"],
)
def test_an_index_that_gives_no_hard_negative_is_refused(source: Shelf, known: Mapping[str, Fields], message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        Mining(source, BM25, no_progress)([LAMP, DESK], set(known), nobody)


def test_an_index_with_any_judged_document_is_searched() -> None:
    gone = [QueryList(f"gone {number}", "old", ("x",), (1.0,), "shop") for number in range(50)]
    source = Shelf()
    Mining(source, BM25, no_progress)([*gone, LAMP], CATALOGUE, nobody)
    assert len(source.asked) == 51


def test_only_queries_of_the_train_part_are_searched(engine: Engine, tmp_path: Path) -> None:
    shop(tmp_path, *JUDGED)
    source = Shelf()
    judgments = JudgmentsFile(tmp_path / "judgments.tsv").read(engine)
    settings = ListSettings(hard_negatives=20, random_negatives=0)
    mining = Mining(source, BM25, no_progress, depth=15)
    write_training_sets(tmp_path / "sets", judgments, CATALOGUE, source="shop", tell=nobody, first_pass=mining, settings=settings)
    (train,) = read_lists(tmp_path / "sets" / "train")
    assert source.asked == ["lamp"]
    assert set(train.doc_ids) == {"d1", "d2", "d10", "d11", "d12", "d13", "d14"}


def test_a_node_that_does_not_answer_is_told_before_anything_is_read(tmp_path: Path) -> None:
    arguments = [str(each) for each in shop(tmp_path, *JUDGED)]
    result = CliRunner().invoke(main, ["data", "lists", *arguments, "--mine", "rrf", "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 4
    assert "no OpenSearch answers at http://127.0.0.1:9: start one with `rerank node up`, or give --url" in result.output
    assert "catalogue:" not in result.output


def test_an_embedder_that_is_not_there_is_named(tmp_path: Path) -> None:
    arguments = [str(each) for each in shop(tmp_path, *JUDGED)]
    result = CliRunner().invoke(main, ["data", "lists", *arguments, "--mine", "knn", "--embedder", str(tmp_path)])
    assert result.exit_code == 1
    assert f"--mine knn needs an embedder, and {tmp_path} holds none: name one (--embedder), or --mine bm25" in result.output


def test_an_embedder_for_a_first_pass_without_vectors_is_refused(tmp_path: Path) -> None:
    arguments = [str(each) for each in shop(tmp_path, *JUDGED)]
    result = CliRunner().invoke(main, ["data", "lists", *arguments, "--mine", "bm25", "--embedder", str(tmp_path)])
    assert result.exit_code == 2
    assert "--embedder is for --mine knn and rrf" in result.output
