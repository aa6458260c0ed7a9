"""Experiments train each cell once, start alike, and compare query by query."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from safetensors.torch import load_file

from sidecar.fusion import CROSS_ENCODER
from sidecar.manifest import Fusion, read_manifest, write_manifest
from tests.sidecar.tiny import write_model
from tests.training.progress import no_progress
from tests.training.shop import JUDGED, PRODUCTS
from tests.training.tiny import make_base
from training.experiments.depth import depth
from training.experiments.lab import Lab, fine_tuning
from training.experiments.losses import LOSSES, losses
from training.experiments.mlm import mlm
from training.experiments.quantization import quantization
from training.experiments.sets import Limits
from training.experiments.size import TEACHER, Student, size
from training.keys import model_key
from training.runs import train
from training.training_set import read_lists

# A tiny run writes its checkpoints within one second, which transformers takes for a broken clock.
pytestmark = pytest.mark.filterwarnings("ignore:mtime may not be reliable")
QUERIES = list(JUDGED)


def write_esci(folder: Path, judged=JUDGED) -> Path:
    """The shop in the files of the ESCI folder, two thirds of its queries for training."""
    folder.mkdir(parents=True)
    products = [json.dumps({"_id": doc_id, **fields}) for doc_id, fields in PRODUCTS.items()]
    rated = [
        {"query": query, "ratings": [{"docId": doc_id, "rating": {3: 100, 2: 10, 0: 0}[grade]} for doc_id, grade in grades.items()]}
        for query, grades in judged.items()
    ]
    (folder / "products.jsonl.gz").write_bytes(gzip.compress("\n".join(products).encode()))
    (folder / "judgments.json.gz").write_bytes(gzip.compress(json.dumps({"judgmentRatings": rated}).encode()))
    (folder / "split.json").write_text(json.dumps({"train": QUERIES[:8], "test": QUERIES[8:]}))
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def lab(base, tmp_path):
    write_esci(tmp_path / "data" / "esci")
    return Lab(tmp_path / "data", tmp_path / "out", str(base), (0, 2), 2, (13,), Limits(8, 4, 6, 1), no_progress, ("esci",))


def test_training_lists_and_test_lists_share_no_query(lab):
    trained = {item.query for spec in lab.training_sets() for item in read_lists(Path(spec.path))}
    tested = {item.query for test in lab.held_out() for item in test.lists}
    assert trained <= set(QUERIES[:8])
    assert tested <= set(QUERIES[8:])


def test_what_chooses_is_judged_on_validation_queries_alone(lab):
    choosing = replace(lab, split="validation")
    (asked,) = choosing.held_out()
    trained = {item.query for spec in choosing.training_sets() for item in read_lists(Path(spec.path))}
    queries = {item.query for item in asked.lists}
    assert queries
    assert queries <= set(QUERIES[:8]) - trained


def test_other_data_behind_the_same_results_has_sets_of_its_own(lab, tmp_path):
    (before,) = lab.held_out()
    write_esci(tmp_path / "other" / "esci", judged=dict(list(JUDGED.items())[:-1]))
    other = replace(lab, data=tmp_path / "other")
    (after,) = other.held_out()
    assert len(after.lists) < len(before.lists)
    assert other.training_sets() != lab.training_sets()


def test_the_same_data_in_another_folder_is_the_same_set(lab, tmp_path):
    shutil.copytree(lab.data, tmp_path / "copy")
    assert replace(lab, data=tmp_path / "copy").held_out()[0].path == lab.held_out()[0].path


def test_bases_of_one_name_are_two_starts(lab, tmp_path):
    bases = [make_base(tmp_path / name / "model", seed=seed) for seed, name in enumerate("ab")]
    assert len({replace(lab, base=str(base)).start() for base in bases}) == 2


@pytest.fixture
def served(tmp_path):
    """A ranker and an embedder, as the sidecar serves them."""
    for kind in ("cross-encoder", "embedder"):
        write_model(tmp_path / "models" / kind, kind=kind)
    return tmp_path / "models"


def change(directory, **changes):
    """Write a manifest in place, which leaves its directory's time as it was."""
    write_manifest(directory, msgspec.structs.replace(read_manifest(directory), **changes))


def test_depth_measures_a_fusion_that_was_fitted_anew(lab, served, tmp_path):
    def curves():
        return depth(lab, {"tiny": served / "cross-encoder"}, served / "embedder", tmp_path / "cache", queries=2).samples["esci"].values

    change(served / "cross-encoder", fusion=Fusion({CROSS_ENCODER: 1.0}))
    before = curves()
    change(served / "cross-encoder", fusion=Fusion({CROSS_ENCODER: -1.0}))
    assert curves() != before


def test_a_figure_on_a_model_s_card_changes_nothing_that_was_measured(served):
    before = model_key(served / "embedder")
    change(served / "embedder", quality={"esci": 0.7})
    assert model_key(served / "embedder") == before


def test_another_embedder_in_the_same_place_is_another_key(served):
    before = model_key(served / "embedder")
    change(served / "embedder", query_prefix="query: ")
    assert model_key(served / "embedder") != before


def test_a_misspelt_query_keeps_its_judgments(lab):
    (right,), (wrong,) = lab.held_out(), lab.held_out(misspelt=True)
    assert [item.doc_ids for item in right.lists] == [item.doc_ids for item in wrong.lists]
    assert all(one.query != other.query for one, other in zip(right.lists, wrong.lists, strict=True))


def test_the_encoder_keeps_the_named_layers_and_no_pooler(lab, base):
    kept, source = load_file(lab.encoder() / "model.safetensors"), load_file(base / "model.safetensors")
    name = "encoder.layer.{}.output.dense.weight"
    assert (kept[name.format(1)] == source["bert." + name.format(2)]).all()
    assert not any("pooler" in key or "layer.2" in key for key in kept)


def test_the_start_is_taught_on_the_grammar_once(lab):
    taught = replace(lab, grammar_steps=1)
    before = (taught.start() / "model.safetensors").stat().st_mtime_ns
    weights = load_file(taught.start() / "model.safetensors")
    assert any(name.startswith("classifier") for name in weights)
    assert taught.run(13).model.base == str(taught.start()) != lab.run(13).model.base
    assert (taught.start() / "model.safetensors").stat().st_mtime_ns == before
    judged = {item.query for spec in lab.training_sets() for item in read_lists(Path(spec.path))}
    read = {item.query for path in (lab.folder / "sets").glob("grammar-*") for item in read_lists(path)}
    assert read
    assert not judged & read
    assert [row[0] for row in losses(taught).tables[0].rows][-2:] == ["start, not tuned", "random order"]


def test_every_loss_has_a_row_and_a_second_run_trains_nothing(lab):
    outcome = losses(lab)
    assert [row[0] for row in outcome.tables[0].rows] == [*LOSSES, "random order"]

    def refuse(_label, _total):
        raise AssertionError("a bar means work")

    assert losses(replace(lab, progress=refuse)).tables == outcome.tables


def test_the_same_seed_gives_the_same_scores(lab):
    tests = lab.held_out()
    first, second = (fine_tuning(lab.run(13), tests).work(lambda _: None) for _ in range(2))
    assert first.scores == second.scores


def test_fine_tuning_starts_with_and_without_pre_training(lab):
    outcome = mlm(lab, documents=8)
    assert [row[0] for row in outcome.tables[0].rows] == ["without", "with"]
    assert "one pass over 8 documents of esci" in outcome.tables[0].notes[-1]


@pytest.fixture
def finished(lab, tmp_path):
    """A finished run's folder."""
    train(lab.run(13), tmp_path / "run", report_to="none")
    return tmp_path / "run"


def test_all_forms_of_networks_are_measured(lab, finished, tmp_path):
    whole = lab.run(13)
    split = msgspec.structs.replace(whole.model, kind="decomposed", lower_layers=1)
    apart = msgspec.structs.replace(whole, model=split)
    train(apart, tmp_path / "apart", report_to="none")
    tables = quantization(lab, [finished, tmp_path / "apart"], windows=1).tables
    assert [table.title for table in tables[::2]] == ["Quantization of run", "Quantization of apart"]
    served = ["float", "int8 dynamic", "int8 dynamic, outliers left"]
    assert [row[0] for row in tables[0].rows] == [*served, "int8 static", "float, torch", "bf16, torch"]
    assert [row[0] for row in tables[2].rows] == ["float, states in float too, torch", *served]
    correlations = {row[0]: float(row[1]) for row in tables[1].rows}
    assert correlations["float"] == 1
    assert correlations["float, torch"] == pytest.approx(1, abs=0.01)
    # The states alone are rounded.
    assert float(tables[3].rows[1][1]) == pytest.approx(1, abs=0.05)


def test_students_are_measured_beside_their_teacher(lab, finished):
    outcome = size(lab, finished, students=(Student("one", 1), Student("apart", 2, kind="decomposed")), windows=1)
    assert [row[0] for row in outcome.tables[0].rows] == [TEACHER, "one", "apart"]


def test_a_student_may_have_more_layers_than_its_teacher_from_a_larger_base(lab, finished, tmp_path):
    larger = make_base(tmp_path / "larger", layers=4)
    students = (Student("too many", 4), Student("larger", 4, base=str(larger)))
    outcome = size(lab, finished, students=students, windows=1)
    assert [row[0] for row in outcome.tables[0].rows] == [TEACHER, "larger"]
