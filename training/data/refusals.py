"""Reports -> a refusal where a step left nothing to go on with, and the option that is likely wrong; so for grades that none can read.

Invariant: no command says that it succeeded when nothing came out, or nothing that metrics and losses can read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from training.data.build import NO_HIT, ONE_GRADE
from training.data.lists import QueryList
from training.data.report import Report
from training.metrics.ranking import MAX_EXPONENTIAL_GRADE

# By the beginning of the most frequent reason, else of the step's name.
_HINTS: Mapping[str, str] = {
    "no query": "--query-column (or --ubi-queries) must name what users searched for",
    "type without a weight": "give those types a weight (--weight TYPE=WEIGHT), or check --type-column and --impression-type",
    "never shown at a known place": "check --impression-type and --position-column, or grade a log without impressions with --by type",
    "shown too little to tell": "grade more of the log, or without impressions with --by type",
    "not an item": "check --item-pattern",
    "bot by its rate": "raise --max-events-per-hour",
    "session without a search": "check --query-column and --session-column, or leave out --searched-sessions-only",
    "a rating": "--rating RATING=GRADE must name each rating of the file",
    "no grade": "check --grade-column, or map ratings by --rating RATING=GRADE",
    "a query without a text": "--queries must hold the texts of the judged query ids",
    NO_HIT: "the judgments and the catalogue name documents differently: check --id-column or --preset, and --doc-column",
    ONE_GRADE: "check --rating and --grade-column, or keep such lists with --keep-single-grade",
    "catalogue": "check --id-column, --preset and --role against the file's own column names",
    "judgments": "check --query-column, --doc-column, --grade-column and --rating against the file",
    "qrels": "check that each line is `query_id 0 doc_id grade`; tables are told by names such as .tsv or .csv",
    "interactions": "check the options that name the log's columns",
    "run hits": "the run and the catalogue name documents differently: check --id-column or --preset, and what --run was made from",
    "UBI": "check --ubi-queries: it takes UBI queries, and the other paths are UBI events",
}


class NothingLeft(ValueError):
    """A step left nothing: says which, why most of it went, and which option is likely wrong."""


def refuse_nothing(*reports: Report) -> None:
    """Raises NothingLeft where the reports of one step, or of its parts, kept nothing between them."""
    if any(report.kept for report in reports):
        return
    dropped = sum((Counter(report.dropped) for report in reports), Counter[str]())
    steps = ", ".join(report.step for report in reports)
    if not dropped:
        raise NothingLeft(f"{steps}: there was nothing to read; {_hint('', reports)}")
    reason, count = min(dropped.items(), key=lambda found: (-found[1], found[0]))
    given = sum(report.rows for report in reports)
    raise NothingLeft(f"{steps}: nothing is left of {given:,}, of which {count:,} were dropped for {reason!r}; {_hint(reason, reports)}")


def refuse_high_grades(lists: Iterable[QueryList]) -> None:
    """Raises ValueError at a grade whose gain, 2^grade - 1, is beyond metrics, and makes losses infinite."""
    for item in lists:
        if (highest := max(item.grades, default=0.0)) > MAX_EXPONENTIAL_GRADE:
            raise ValueError(
                f"query {item.query!r} has the grade {highest:g}, and {MAX_EXPONENTIAL_GRADE} is the highest that metrics and losses read: "
                f"map all ratings of the file to grades such as 0 to 3, each by --rating RATING=GRADE, such as --rating {highest:g}=3"
            )


def _hint(reason: str, reports: Sequence[Report]) -> str:
    names = [reason, *(report.step for report in reports)]
    return next((hint for start, hint in _HINTS.items() for name in names if name.startswith(start)), "see the counts above")
