"""Cells are worked once whatever interrupts them, and tables compare query by query."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from scripts.experiments import command
from tests.training.progress import no_progress
from training.batches import TrainingList
from training.experiments.carry_over import fused
from training.experiments.cells import Cell, finish
from training.experiments.losses import BASELINE
from training.experiments.sets import HeldOut
from training.experiments.size import spread_layers
from training.experiments.tables import comparison_table, over_seeds
from training.keys import folder_key


class Number(msgspec.Struct, frozen=True):
    value: int


def numbered(values, worked, settings=0):
    """A cell a value; what was worked is noted."""
    return [Cell(str(value), settings, lambda _, value=value: worked.append(value) or Number(value)) for value in values]


def test_a_finished_cell_is_not_worked_again(tmp_path):
    worked = []
    finish(numbered([1, 2], worked), Number, tmp_path, no_progress)
    again = finish(numbered([1, 2, 3], worked), Number, tmp_path, no_progress)
    assert ([number.value for number in again], worked) == ([1, 2, 3], [1, 2, 3])


def test_other_settings_are_another_cell(tmp_path):
    worked = []
    finish(numbered([1], worked), Number, tmp_path, no_progress)
    finish(numbered([1], worked, settings=1), Number, tmp_path, no_progress)
    assert worked == [1, 1]


def test_a_killed_experiment_loses_its_last_cell_alone(tmp_path):
    def die(_advance):
        raise KeyboardInterrupt

    worked = []
    with pytest.raises(KeyboardInterrupt):
        finish([*numbered([1], worked), Cell("2", 0, die)], Number, tmp_path, no_progress)
    finish(numbered([1, 2], worked), Number, tmp_path, no_progress)
    assert worked == [1, 2]


def test_a_table_says_which_queries_judged_it():
    found = {BASELINE: {"shop": {"a": 0.5}}}
    assert comparison_table("x", found, BASELINE).notes[0].startswith("Test queries: 1 of shop")
    assert comparison_table("x", found, BASELINE, split="validation").notes[0].startswith("Validation queries: 1 of shop")


@pytest.mark.parametrize("name", [name for name in command.commands if name != "publish"])
def test_every_experiment_can_be_judged_on_validation_queries(name):
    split = next(option for option in command.commands[name].params if option.name == "split")
    assert (split.default, split.type.choices) == ("test", ("test", "validation"))


def test_a_folder_s_key_is_what_lies_in_it(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    before = folder_key(tmp_path)
    (tmp_path / ".hidden").write_text("nothing")
    assert folder_key(tmp_path) == before
    (tmp_path / "a.txt").write_text("another")
    assert folder_key(tmp_path) != before


@pytest.mark.parametrize(("count", "layers"), [(1, (0,)), (2, (0, 5)), (3, (0, 2, 5)), (6, (0, 1, 2, 3, 4, 5))])
def test_layers_are_spread_from_the_first_to_the_last(count, layers):
    assert spread_layers(count, 6) == layers


def test_fusion_gives_both_sides_the_same_weight():
    assert fused([[0.0, 2.0]], [[30.0, 10.0]]) == [[0.0, 0.0]]


def test_scores_are_judged_list_by_list():
    test = HeldOut("shop", Path(), (TrainingList("red shoe", ("a", "b"), (0.0, 3.0)),))
    assert test.ndcg([[0.0, 1.0]]) == {"0000 red shoe": 1.0}
    assert 0.6 < test.random_order()["0000 red shoe"] < 1


def test_seeds_are_averaged_query_by_query():
    assert over_seeds([{"a": 0.0, "b": 1.0}, {"a": 1.0, "b": 1.0}]) == {"a": 0.5, "b": 1.0}


def test_the_baseline_is_not_compared_with_itself():
    found = {BASELINE: {"shop": {"a": 0.5, "b": 0.7}}, "other": {"shop": {"a": 0.6, "b": 0.8}}}
    rows = comparison_table("x", found, BASELINE).rows
    assert (rows[0][2], rows[1][2]) == ("", "+0.100 (+0.100 to +0.100), p 0.500")
