"""How commands are told of a judgments file: its columns, its ratings, and the texts of TREC qrels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.data_options import number, numbers

if TYPE_CHECKING:
    from training.data.judgments_file import JudgmentsFile

# The parameters by which the options reach a command.
JUDGMENT_OPTIONS = ("query_column", "query_id_column", "doc_column", "grade_column", "ratings", "esci_ratings", "queries")


def judgment_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of a command that reads judgments; `judgments_file` takes what they give."""
    options = [
        click.option("--query-column", default="query", show_default=True, help="The query in the judgments."),
        click.option("--query-id-column", default=None, help="One id for each query text; without it the text is its id."),
        click.option(
            "--doc-column",
            "--document-column",
            "doc_column",
            default="doc_id",
            show_default=True,
            help="The document id in the judgments.",
        ),
        click.option("--grade-column", default="grade", show_default=True, help="The grade in the judgments, 0 = irrelevant."),
        click.option(
            "--rating",
            "ratings",
            multiple=True,
            metavar="RATING=GRADE",
            help="What ratings mean, such as 100=3; others are left out.",
        ),
        click.option("--esci-ratings", is_flag=True, help="The ratings are 100, 10, 1, 0: read them as grades 3, 2, 1, 0."),
        click.option(
            "--queries",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="For TREC qrels: the queries' texts, with the columns query_id and query, or lines ID<TAB>TEXT.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def judgments_file(path: Path, options: Mapping[str, Any]) -> JudgmentsFile:
    """The file as the options describe it; raises UsageError where they say two things."""
    from training.data.judgments import ESCI_RATINGS, JudgmentColumns  # noqa: PLC0415 - ibis is slow to import
    from training.data.judgments_file import JudgmentsFile  # noqa: PLC0415

    if options["esci_ratings"] and options["ratings"]:
        raise click.UsageError("--esci-ratings says what each rating means already: leave it out, or --rating")
    columns = JudgmentColumns(options["query_column"], options["doc_column"], options["grade_column"], options["query_id_column"])
    ratings = {number(rating): grade for rating, grade in numbers(options["ratings"])} or None
    return JudgmentsFile(path, columns, ESCI_RATINGS if options["esci_ratings"] else ratings, options["queries"])
