"""A base that cannot be loaded is refused with what was looked for and what there is, before anything is fetched in vain."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from tokenizers import Tokenizer

from scripts.cli import main
from tests.training.tiny import make_base
from training.bases import NoBase, base_directory
from training.networks import load_tokenizer


def unreachable(source: str) -> Tokenizer:
    raise OSError(f"cannot reach the hub for {source}.\nMore of it")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("runs/none/model", "there is no such directory"),
        ("./none", "there is no such directory"),
        ("own/none", "there is no such directory"),
        ("own/notes.txt", "it is a file"),
        ("own", "the directory holds neither manifest.json (an exported model) nor config.json (a checkpoint)"),
        ("run", "the checkpoint of this run lies in run/model"),
    ],
)
def test_what_is_no_base_is_refused_with_what_was_found_and_what_there_is(
    name: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "notes.txt").touch()
    make_base(tmp_path / "run" / "model")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NoBase) as refused:
        base_directory(name)

    assert str(refused.value).startswith(f"{name} is no base to start from: {found}. A base is an exported model directory")
    assert "one of minilm, bge-small, e5-small, or a hub id" in str(refused.value)


@pytest.mark.parametrize("name", ["intfloat/e5-small-v2", "bert-base-uncased"])
def test_a_name_that_may_be_a_hub_id_is_left_to_the_hub(name: str) -> None:
    assert base_directory(name) == name


def test_what_the_hub_does_not_give_is_told_with_the_nearest_name_of_ours() -> None:
    with pytest.raises(
        NoBase, match=r"^minlm is no base .*by this hub id \(cannot reach the hub for minlm\)\. Did you mean minilm\? A base"
    ):
        load_tokenizer("minlm", unreachable)


def test_a_folder_with_a_tokenizer_alone_gives_its_words(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    (base / "config.json").unlink()
    assert load_tokenizer(str(base), unreachable).get_vocab_size()
    (base / "config.json").touch()
    (base / "tokenizer.json").unlink()
    with pytest.raises(NoBase, match=r"the directory has no tokenizer\.json; .* model\.tokenizer"):
        load_tokenizer(str(base), unreachable)


def test_train_says_it_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("name: own\nmodel: {base: sidecar/models/fsat}\ntrain_sets: [{path: none}]\n")

    result = CliRunner().invoke(main, ["train", str(tmp_path / "run.yaml"), "--out", str(tmp_path / "run")])

    assert result.exit_code == 1
    assert "Error: sidecar/models/fsat is no base to start from: there is no such directory." in result.output
