"""Seven ranking losses from one start on the same judged lists, beside what ListBERT claims (arXiv 2206.15198, section 4)."""

from __future__ import annotations

from statistics import fmean

from benchmarks.report import Cell, Table
from training.experiments.lab import Lab, Outcome, bars
from training.experiments.tables import Found, comparison_table, differences, found_of, means, seeds_note
from training.run_file import LossSpec

LOSSES = {
    "ApproxNDCG": "approx_ndcg",
    "NeuralNDCG": "neural_ndcg",
    "LambdaRank": "lambdarank",
    "softmax": "softmax",
    "ListNet": "listnet",
    "ListMLE": "listmle",
    "RankNet": "ranknet",
}
BASELINE = "ApproxNDCG"
_CLAIMS = {"ListNet": "+13.9 %", "ListMLE": "+13.9 %", "RankNet": "+20.6 %"}


def losses(lab: Lab) -> Outcome:
    """Train and compare them."""
    tests = lab.held_out()
    measured = lab.train({name: [lab.run(seed, losses={loss: LossSpec()}) for seed in lab.seeds] for name, loss in LOSSES.items()}, tests)
    found: Found = {**found_of(measured | lab.untuned(tests), tests), "random order": {test.name: test.random_order() for test in tests}}
    notes = (
        seeds_note(measured, tests),
        "One network a row and seed learns all sets together; losses have their default parameters and share one learning rate, "
        "which was not tuned for any of them.",
    )
    tables = (comparison_table("Losses", found, BASELINE, split=lab.split, notes=notes), _claims(found))
    return Outcome(tables, bars("loss", means(found)), measured)


def _claims(found: Found) -> Table:
    """The gain of ApproxNDCG over each loss in percent, beside the published one."""
    sets = list(found[BASELINE])
    rows: list[tuple[Cell, ...]] = []
    for loss in LOSSES:
        if loss != BASELINE:
            rows.append((loss, *(_gain(found, loss, name) for name in sets), _CLAIMS.get(loss, "not reported")))
    note = "In brackets the 95 % interval of the difference, as a share of the other loss's mean."
    return Table("What ApproxNDCG gains over each loss", ("over", *sets, "ListBERT reports"), tuple(rows), (note,))


def _gain(found: Found, loss: str, name: str) -> str:
    against = differences(found, BASELINE, name)[loss]
    base = fmean(found[loss][name].values())
    return f"{-against.difference / base:+.1%} ({-against.high / base:+.1%} to {-against.low / base:+.1%})"
