"""What a table says of each model does not depend on what else was measured to explain it."""

from __future__ import annotations

import pytest

from training.evaluate.measures import mode_report
from training.evaluate.report import ModeReport
from training.evaluate.systems import System

QRELS = {f"q{number}": {"a": 3, "b": 0} for number in range(8)}
DIAGNOSTICS = ("fast without similarity", "fast without fusion")
# All eight queries gain: two of the 2^8 signs make as large a difference.
P = 2 / 2**8


def table(*systems: System) -> ModeReport:
    """The table of a first pass that puts the worse document first, and of systems that put the better one first."""
    first_pass = System("bm25", "bm25")
    runs = {
        system.name: {query_id: {"a": 1.0, "b": 2.0 * (system is first_pass)} for query_id in QRELS} for system in (first_pass, *systems)
    }
    return mode_report((first_pass, *systems), runs, QRELS, window=10, relevant_from=1)


def corrected(report: ModeReport) -> dict[str, float]:
    return {row.name: row.difference.p_corrected for row in report.systems if row.difference}


def test_a_served_models_p_value_does_not_grow_with_diagnostics() -> None:
    fast, best = System("fast", "bm25", "fast"), System("best", "bm25", "best")
    diagnostics = [System(name, "bm25", "fast", served=False) for name in DIAGNOSTICS]

    assert corrected(table(fast, *diagnostics))["fast"] == pytest.approx(P)
    assert corrected(table(fast, best, *diagnostics))["fast"] == pytest.approx(2 * P)


def test_diagnostics_are_corrected_over_themselves() -> None:
    diagnostics = [System(name, "bm25", "fast", served=False) for name in DIAGNOSTICS]
    found = corrected(table(System("fast", "bm25", "fast"), *diagnostics))

    assert [found[name] for name in DIAGNOSTICS] == pytest.approx([2 * P, 2 * P])


def test_random_order_is_no_first_pass_to_beat() -> None:
    assert table(System("random", "random"), System("fast", "bm25", "fast")).baseline == "bm25"


def test_first_passes_alone_have_no_difference() -> None:
    assert corrected(table()) == {}
