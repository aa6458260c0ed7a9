"""The page of experiments has a place for each table, and names trainings that can be started."""

from __future__ import annotations

import re
import shlex

import pytest

from benchmarks.publish import replaced
from scripts.experiments import PAGE, command
from scripts.train import command as train_command
from training.run_file import parse_overrides, read_run_file


@pytest.mark.parametrize("name", [name for name in command.commands if name != "publish"])
def test_the_documentation_has_a_place_for_each_experiment(name):
    assert replaced(PAGE.read_text(), name, "a table\n", "experiment").count("a table\n") == 1


def trainings_on_the_page():
    """Every `rerank train` line of the page's code blocks."""
    blocks = re.findall(r"^```.*?\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[2:] for line in lines if line.startswith("rerank train ")]


def test_the_trainings_that_the_documentation_names_can_be_started_as_written():
    assert trainings_on_the_page()
    for arguments in trainings_on_the_page():
        given = train_command.make_context("train", arguments).params
        assert read_run_file(given["run_file"], parse_overrides(given["settings"])).name
