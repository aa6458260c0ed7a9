"""The lists that both trainers are given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.train_bench import TrainingPlan, lists_of
from benchmarks.workloads import Shop
from cluster.errors import InvalidCatalogue
from cluster.judgments import JudgedQuery
from tests.benchmarks.test_workloads import CUTTER, SHOP, TEMPLATE

JUDGED: Shop = replace(SHOP, judged=tuple(JudgedQuery(f"shoe {number}", {"1": 3, "2": 0, "3": 1}) for number in range(7)))


def test_lists_fill_whole_batches_so_that_a_run_trains_on_the_pairs_it_counts() -> None:
    lists = lists_of(JUDGED, TEMPLATE, CUTTER, hits=2, batch=3, steps=30)

    assert len(lists) == 6
    assert {len(item["documents"]) for item in lists} == {2}
    assert TrainingPlan("base", lists, 30, 3, 8, 16).pairs() == 30 * 3 * 2


def test_no_more_lists_are_prepared_than_the_steps_read() -> None:
    assert len(lists_of(JUDGED, TEMPLATE, CUTTER, hits=2, batch=2, steps=2)) == 4


def test_too_few_lists_for_a_batch_are_refused_with_the_flags_that_mend_it() -> None:
    with pytest.raises(InvalidCatalogue, match=r"7 queries have 3 judged products .* a batch needs 16: lower --hits or --lists"):
        lists_of(JUDGED, TEMPLATE, CUTTER, hits=3, batch=16, steps=1)
