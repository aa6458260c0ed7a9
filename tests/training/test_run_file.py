"""What a run file may say: impossible values are refused with their path, before anything is read or trained."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from scripts.train import command
from tests.training.tiny import TEMPLATE
from training.bases import BASES
from training.run_file import LossSpec, ModelSpec, RunFile, parse_overrides, read_run_file, write_run_file

RUN = RunFile("x", ModelSpec("base"), losses={"softmax": LossSpec()}, template=TEMPLATE)


@pytest.fixture
def path(tmp_path):
    write_run_file(tmp_path / "run.yaml", RUN)
    return tmp_path / "run.yaml"


def test_a_run_file_reads_back_as_it_was_written(path):
    assert read_run_file(path) == RUN


def test_an_unknown_setting_is_refused_by_its_path(path):
    path.write_text(path.read_text().replace("learning_rate:", "learning_rat:"))
    with pytest.raises(ValueError, match=r"learning_rat.*train"):
        read_run_file(path)


@pytest.mark.parametrize(
    "setting",
    [
        "noise.drop_field=1.5",
        "noise.drop_token=-0.1",
        "noise.typo=.nan",
        "train.epochs=0",
        "train.epochs=-1",
        "train.max_steps=0",
        "train.learning_rate=-1e-5",
        "train.warmup_ratio=2",
        "train.weight_decay=-1",
        "train.max_hits=1",
        "train.accumulation=0",
        "train.max_grad_norm=-1",
        "train.seed=-1",
        "train.workers=-1",
        "train.eval_steps=0",
        "train.patience=0",
        "losses.softmax.weight=-1",
        "model.dropout=1.1",
        "model.dropout=1",
        "model.lower_layers=0",
        "train_sets=[{path: a, limit: 0}]",
        "train_sets=[{path: a, repeat: 0}]",
    ],
)
def test_an_impossible_value_is_refused_with_file_and_path(path, setting):
    parent = setting.partition("=")[0].split(".")[0]
    with pytest.raises(ValueError, match=rf"run\.yaml: .*\$\.{parent}"):
        read_run_file(path, parse_overrides([setting]))


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ("kl: {parameters: {temperature: 0}}", "kl: temperature is 0: give a number above 0"),
        ("kl: {parameters: {temperature: .nan}}", "kl: temperature is nan: give a number above 0"),
        ("kl: {parameters: {temperature: true}}", "kl: temperature is True: give a number"),
        ("bce: {parameters: {max_grade: -1}}", "bce: max_grade is -1: give a number above 0"),
        ("rank_distil: {parameters: {samples: 1.5}}", "rank_distil: samples is 1.5: give a whole number above 0"),
        ("p_listmle: {parameters: {normalized: 1}}", "p_listmle: normalized is 1: give true or false"),
        ("rank_distil: {parameters: {generator: 3}}", "rank_distil has no parameter generator; it has k, samples, temperature"),
    ],
)
def test_an_impossible_parameter_of_a_loss_is_refused_by_its_name(path, loss, said):
    with pytest.raises(ValueError, match=rf"run\.yaml: .*{said}"):
        read_run_file(path, parse_overrides([f"losses={{{loss}}}"]))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["model.state_width=16", "model.lower_layers=1"], "lower_layers, state_width would do nothing: model.kind is cross-encoder"),
        (["model.kind=decomposed", "model.pooling=cls"], "pooling would do nothing: model.kind is decomposed"),
        (["validation_sets=[]", "train.patience=2"], "train.patience would do nothing"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(path, settings, said):
    with pytest.raises(ValueError, match=said):
        read_run_file(path, parse_overrides(settings))


def test_a_bi_encoder_from_a_known_base_reads_texts_as_that_was_published(path):
    path.write_text("{name: x, model: {base: bge-small, kind: bi-encoder}}")
    published = read_run_file(path).model
    assert (published.pooling, published.query_prefix) == ("cls", BASES["bge-small"].query_prefix)
    own = read_run_file(path, parse_overrides(["model.pooling=mean", "model.query_prefix=''"])).model
    assert (own.pooling, own.query_prefix, own.passage_prefix) == ("mean", "", "")


@pytest.mark.parametrize("setting", ["train.patience=null", "train.max_steps=-1", "train.learning_rate=0", "noise.typo=1"])
def test_a_value_at_the_edge_is_taken(path, setting):
    read_run_file(path, parse_overrides([setting]))


@pytest.mark.parametrize("written", ["1e-4", "1E-4", "1.0e-4", "0.0001", "1.e-4"])
def test_a_rate_may_be_written_with_or_without_a_point(path, written):
    path.write_text(path.read_text().replace("learning_rate: 5.0e-05", f"learning_rate: {written}"))
    assert read_run_file(path).train.learning_rate == 1e-4
    assert read_run_file(path, parse_overrides([f"train.learning_rate={written}"])).train.learning_rate == 1e-4


def test_a_text_that_only_begins_like_a_number_stays_a_text(path):
    assert read_run_file(path, parse_overrides(["model.base=1e5-small"])).model.base == "1e5-small"


def test_a_slip_in_the_yaml_is_refused_with_file_and_line(path):
    path.write_text("name: x\nmodel: {base: minilm\ntrain_sets: []\n")
    with pytest.raises(ValueError, match=r"run\.yaml:3: this is not YAML"):
        read_run_file(path)


def test_a_slip_in_an_override_is_refused_by_its_text():
    with pytest.raises(ValueError, match=r"model\.layers=\[0, 2.*this is not YAML"):
        parse_overrides(["model.layers=[0, 2"])


def test_overrides_reach_nested_settings(path):
    again = read_run_file(path, parse_overrides(["train.seed=99", "model.layers=[0, 2]"]))
    assert (again.train.seed, again.model.layers) == (99, (0, 2))


def test_an_override_below_a_value_is_refused_by_its_key(path):
    with pytest.raises(ValueError, match=r"model\.base\.name cannot be set: base is 'base'"):
        read_run_file(path, parse_overrides(["model.base.name=minilm"]))


def test_the_command_says_what_is_wrong_in_a_line(path, tmp_path):
    result = CliRunner().invoke(command, [str(path), "--out", str(tmp_path / "out"), "--set", "noise.typo=2"])
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "run.yaml: Expected `float` <= 1.0 - at `$.noise.typo`" in result.output


def test_a_query_that_would_run_into_the_documents_positions_is_refused():
    with pytest.raises(ValueError, match="do not fit below document_offset 4"):
        RunFile("x", ModelSpec("base", "decomposed", document_offset=4), template=TEMPLATE)


def test_an_unknown_loss_is_refused_by_name():
    with pytest.raises(ValueError, match="there is no loss 'hinge'"):
        RunFile("x", ModelSpec("base"), losses={"hinge": LossSpec()})
