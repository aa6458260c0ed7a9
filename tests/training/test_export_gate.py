"""The gate refuses what quantization spoils on any of its judged sets, and the card says what was measured, accepted or left out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts.export import command
from sidecar.manifest import DataSource, read_manifest
from tests.training.tiny import make_set, write_run
from training.batches import TrainingList
from training.export.directory import ModelInfo, export
from training.export.gate import GateFailed, GateReport, compare, gate_quality, gated_export, refuse_loss
from training.training_set import read_documents, read_lists

INFO = ModelInfo("tiny", "1", "A tiny model.", "random", (DataSource("samples", "Apache-2.0"),))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def judged(tmp_path):
    return make_set(tmp_path / "judged")


@pytest.fixture
def other(tmp_path):
    return make_set(tmp_path / "other", lists=4)


@pytest.fixture
def exported(run, tmp_path):
    """Runs `rerank export` into tmp_path/model with more options."""
    info = tmp_path / "tiny.info.yaml"
    info.write_text("{name: tiny, version: '1', summary: A tiny model., base: random, data: []}")

    def with_options(*options):
        return CliRunner().invoke(command, [str(run), "--info", str(info), "--out", str(tmp_path / "model"), *map(str, options)])

    return with_options


def card(tmp_path):
    return (tmp_path / "model" / "README.md").read_text()


def report_on(judged, before, after):
    return GateReport(judged, before, after, 0.99, 10, (0.001, 0.008))


def test_the_gate_writes_what_it_measured_on_every_set(run, tmp_path, judged, other):
    manifest = gated_export(run, tmp_path / "model", INFO, [judged, other], allowed_loss=1.0)
    measured = [f"gate on {name}: NDCG@10 {form}" for name in ("judged, 6 lists", "other, 4 lists") for form in ("float", "int8")]
    assert [name for name in manifest.quality if "NDCG@10" in name] == measured
    assert read_manifest(tmp_path / "model").quality == manifest.quality


def test_the_gate_refuses_a_greater_loss_and_names_every_set(run, tmp_path, judged, other):
    with pytest.raises(GateFailed, match=r"on judged \(.*6 lists, 95 % interval .*--allow-loss") as refused:
        gated_export(run, tmp_path / "model", INFO, [judged, other], allowed_loss=-1.0)
    assert "on other (" in str(refused.value)
    assert not (tmp_path / "model").exists()


def test_two_sets_of_one_name_are_refused(run, tmp_path, judged):
    with pytest.raises(ValueError, match="two sets of the name 'judged'"):
        gated_export(run, tmp_path / "model", INFO, [judged, make_set(tmp_path / "more" / "judged")])


def test_a_gate_without_sets_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match="no judged set"):
        gated_export(run, tmp_path / "model", INFO, [])


def test_static_quantization_passes_through_the_gate(run, tmp_path, judged):
    manifest = gated_export(run, tmp_path / "model", INFO, [judged], allowed_loss=1.0, calibration=judged)
    assert "gate on judged, 6 lists: NDCG@10 int8" in manifest.quality


def test_equal_models_lose_nothing(run, tmp_path, judged):
    export(run, tmp_path / "model", INFO)
    report = compare("judged", tmp_path / "model", tmp_path / "model", read_lists(judged), read_documents(judged))
    assert report.loss == 0
    assert report.interval == (0, 0)
    assert report.correlation == pytest.approx(1.0)


def test_a_gate_without_graded_lists_is_refused_by_its_set(tmp_path, judged):
    ungraded = [TrainingList(item.query, item.doc_ids) for item in read_lists(judged)]
    with pytest.raises(ValueError, match="set judged has no graded lists"):
        compare("judged", tmp_path, tmp_path, ungraded, {})


def test_lists_that_every_order_suits_make_no_loss_look_smaller(run, tmp_path, judged):
    export(run, tmp_path / "model", INFO)
    lists = read_lists(judged)
    idle = [replace(item, grades=(grade,) * len(item.doc_ids)) for grade in (0.0, 2.0) for item in lists]
    alone, among = (
        compare("judged", tmp_path / "model", tmp_path / "model", given, read_documents(judged)) for given in (lists, lists + idle)
    )
    assert among == alone
    with pytest.raises(ValueError, match="set judged has no graded lists with hits of different grades"):
        compare("judged", tmp_path / "model", tmp_path / "model", idle, read_documents(judged))


def test_a_correlation_that_no_list_has_is_left_out(run, tmp_path, judged):
    export(run, tmp_path / "model", INFO)
    pairs = [replace(item, doc_ids=item.doc_ids[:2], grades=(2.0, 0.0)) for item in read_lists(judged)]
    report = compare("judged", tmp_path / "model", tmp_path / "model", pairs, read_documents(judged))
    assert report.correlation is None
    assert not any("correlation" in name for name in report.quality())


def test_a_gain_counts_as_a_negative_loss():
    assert report_on("judged", 0.70, 0.71).loss == pytest.approx(-0.01)


def test_the_worst_set_decides_and_comes_first_in_the_refusal():
    reports = [report_on("even", 0.70, 0.70), report_on("spoiled", 0.7004, 0.6960)]
    with pytest.raises(GateFailed, match=r"0\.0044 on spoiled .*; 0\.0000 on even .* --allow-loss 0\.005,"):
        refuse_loss(reports, 0.003, Path("served"))


def test_an_accepted_loss_is_said_on_the_card_with_its_set():
    reports = [report_on("even", 0.70, 0.70), report_on("spoiled", 0.70, 0.69)]
    assert gate_quality(reports)["gate: overridden"].endswith(
        "a loss of 0.0100 on spoiled (0.7000 -> 0.6900, 10 lists, 95 % interval 0.0010 to 0.0080)"
    )


def test_int8_that_no_gate_saw_says_so_in_the_output_and_on_the_card(exported, tmp_path):
    result = exported()
    assert result.exit_code == 0
    assert "not gated: int8 was not compared with float" in result.output
    assert "| not gated | int8 was not compared with float on judged lists |" in card(tmp_path)


def test_float_weights_have_nothing_to_gate(exported, tmp_path):
    assert "not gated" not in exported("--float").output
    assert "not gated" not in card(tmp_path)


def test_a_gated_card_does_not_say_that_it_was_not(exported, tmp_path, judged):
    assert "not gated" not in exported("--gate", judged, "--allow-loss", 1).output
    assert "not gated" not in card(tmp_path)


def test_allowing_a_loss_without_a_gate_is_refused(exported, tmp_path):
    result = exported("--allow-loss", 0.01)
    assert result.exit_code == 2
    assert "--allow-loss 0.01 has nothing to measure a loss on" in result.output
    assert not (tmp_path / "model").exists()


def test_json_lists_every_gate(exported, judged, other):
    result = exported("--gate", judged, "--gate", other, "--allow-loss", 1, "--json")
    quality = json.loads(result.stdout)["quality"]
    assert {name.partition(":")[0] for name in quality if name.startswith("gate on")} == {
        "gate on judged, 6 lists",
        "gate on other, 4 lists",
    }
