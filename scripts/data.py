"""`rerank data`: logs -> judgments, judgments -> training sets, and what the preparation costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.output import notes

if TYPE_CHECKING:
    from training.data.engine import Engine

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_COLUMNS = ("item", "user", "type", "timestamp", "session", "query-id", "query", "position", "device", "name", "quantity")


@click.group()
def command() -> None:
    """Turn a shop's logs and judgments into training sets; every row that is left out is counted, and examples named by file and line."""


def _engine_options(function: Callable[..., None]) -> Callable[..., None]:
    engine = click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True, help="What runs it.")
    limit = click.option("--memory-limit", default="4GB", show_default=True, help="DuckDB's memory; beyond it, it spills to disk.")
    return engine(limit(function))


def _column_options(function: Callable[..., None]) -> Callable[..., None]:
    for name in reversed(_COLUMNS):
        text = f"The log's column (or dotted JSON path) of the {name.replace('-', ' ')}; `a|b` reads b where a is empty."
        function = click.option(f"--{name}-column", default=None, metavar="NAME", help=text)(function)
    return function


@command.command()
@click.argument("paths", nargs=-1, type=_FILE)
@_column_options
@click.option("--constant-type", default="click", show_default=True, help="The type of every row, where the log has no such column.")
@click.option("--position-base", type=click.IntRange(0, 1), default=1, show_default=True, help="Whether positions count from 0 or from 1.")
@click.option("--ubi-queries", multiple=True, type=_FILE, help="UBI queries: the paths are then UBI events, and need no columns.")
@click.option("--by", type=click.Choice(["position", "type"]), default="position", show_default=True, help="What makes a grade.")
@click.option("--weight", "weights", multiple=True, metavar="TYPE=WEIGHT", default=("click=1", "cart=2", "purchase=3"), show_default=True)
@click.option("--impression-type", default="impression", show_default=True, help="The type of a row that says an item was shown.")
@click.option("--keep-duplicates", is_flag=True, help="Keep rows that are equal in every column.")
@click.option("--item-pattern", default=None, metavar="REGEX", help="What the ids of real items match; fees and postage are none.")
@click.option("--drop-notes", is_flag=True, help="Drop rows whose item name is a note, such as `damaged`.")
@click.option("--max-events-per-hour", default=1000, show_default=True, help="A user with more in any hour is a bot; 0 for no limit.")
@click.option("--searched-sessions-only", is_flag=True, help="Drop sessions without a search.")
@_engine_options
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The judgments file: query, doc_id, grade.")
def grade(paths: tuple[Path, ...], engine: str, memory_limit: str, out: Path, **options: Any) -> None:
    """Clean an interaction log and grade its (query, item) pairs.

    \b
    Example: rerank data grade log.csv --item-column sku --query-column search --type-column action --position-column rank
             --timestamp-column time --user-column visitor --out judgments.tsv
    """
    from training.data.prepare import grade_log  # noqa: PLC0415 - ibis and torch are slow to import

    def run(opened: Engine) -> None:
        interactions, reports = _interactions(opened, paths, options)
        for report in [*reports, *grade_log(opened, interactions, _rules(options), _grading(options), out)]:
            notes.print(str(report))

    _with_engine(engine, memory_limit, run)
    click.echo(f"the judgments are in {out}")


@command.command()
@click.option("--judgments", required=True, type=_FILE, help="A Quepid document, a table, or TREC qrels.")
@click.option("--catalogue", "catalogues", multiple=True, required=True, type=_FILE, help="JSONL, CSV or TSV, also gzipped.")
@click.option("--preset", default=None, help="Columns of a known catalogue: esci, msrd, movielens, products.")
@click.option("--role", "roles", multiple=True, metavar="ROLE=COLUMN[,COLUMN]", help="Where a role of the text template comes from.")
@click.option("--id-column", default="id", show_default=True, help="The column of the document id.")
@click.option("--query-column", default="query", show_default=True)
@click.option("--query-id-column", default=None, help="Without it the query's text is its id.")
@click.option("--doc-column", default="doc_id", show_default=True)
@click.option("--grade-column", default="grade", show_default=True)
@click.option("--rating", "ratings", multiple=True, metavar="RATING=GRADE", help="What the file's ratings mean, such as 100=3.")
@click.option("--queries", default=None, type=_FILE, help="For qrels: the queries' texts, with the columns query_id and query.")
@click.option("--split", default=None, type=_FILE, help="The queries of each part, as JSON; without it a query's checksum decides.")
@click.option("--run", "run_file", default=None, type=_FILE, help="A TREC run of the first pass, for hard negatives.")
@click.option("--hard-negatives", default=4, show_default=True)
@click.option("--hard-below", default=10, show_default=True, help="Hard negatives rank below this in the run.")
@click.option("--random-negatives", default=4, show_default=True)
@click.option("--max-hits", default=32, show_default=True, help="Hits of a training list at most.")
@click.option("--keep-single-grade", is_flag=True, help="Keep lists of one grade, for losses over single hits.")
@click.option("--seed", default=0, show_default=True)
@_engine_options
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="One training set for each part goes here.")
def lists(judgments: Path, engine: str, memory_limit: str, out: Path, **options: Any) -> None:
    """Split judgments by query and write training sets; refuses parts that share a query.

    \b
    Example: rerank data lists --judgments judgments.json.gz --catalogue products.jsonl.gz --preset esci --split split.json --out sets
    """
    from training.data.catalogue import catalogue_columns, read_catalogue  # noqa: PLC0415 - ibis and torch are slow to import
    from training.data.prepare import read_split, write_training_sets  # noqa: PLC0415

    def run(opened: Engine) -> None:
        columns = catalogue_columns(options["preset"], options["roles"], options["id_column"])
        catalogue, read = read_catalogue(options["catalogues"], columns)
        reports = write_training_sets(
            out,
            _judgments(opened, judgments, options),
            catalogue,
            source=judgments.name.split(".")[0],
            run=_run(opened, options["run_file"]),
            named=read_split(options["split"]) if options["split"] else None,
            settings=_list_settings(options),
        )
        for report in [read, *reports]:
            notes.print(str(report))

    _with_engine(engine, memory_limit, run)
    click.echo(f"the training sets are in {out}")


@command.command()
@click.option("--rows", default=50_000_000, show_default=True, help="Rows of the log that is made.")
@click.option("--memory-limit", default="2GB", show_default=True, help="DuckDB's memory; beyond it, it spills to disk.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where the log is made; without it, the usual place.")
def bench(rows: int, memory_limit: str, folder: Path | None) -> None:
    """Make an interaction log, prepare it, and print the peak memory of this process.

    \b
    Example: rerank data bench --rows 50000000 --memory-limit 2GB
    """
    from training.data.bench import bench_in_folder  # noqa: PLC0415 - ibis is slow to import

    click.echo(str(bench_in_folder(rows, memory_limit, folder)))


def _with_engine(name: Any, memory_limit: str, run: Callable[[Engine], None]) -> None:
    from training.data.engine import open_engine  # noqa: PLC0415 - ibis is slow to import

    try:
        with open_engine(name, memory_limit=memory_limit) as opened:
            run(opened)
    except (ValueError, FileNotFoundError, RuntimeError) as error:
        raise click.ClickException(str(error)) from error


def _interactions(engine: Engine, paths: tuple[Path, ...], options: dict[str, Any]) -> tuple[Any, Iterable[Any]]:
    from training.data.interactions import InteractionColumns, read_interactions  # noqa: PLC0415 - ibis is slow to import
    from training.data.sources import read_ubi  # noqa: PLC0415

    if options["ubi_queries"]:
        found = read_ubi(engine, options["ubi_queries"], paths, ordinal_base=options["position_base"])
        return found.interactions, found.reports
    named = {name.replace("-", "_"): options[f"{name.replace('-', '_')}_column"] for name in _COLUMNS}
    if named["item"] is None:
        raise click.UsageError("--item-column is needed, unless --ubi-queries is given")
    columns = InteractionColumns(**named, constant_type=options["constant_type"], position_base=options["position_base"])
    read = read_interactions(engine, paths, columns)
    return read.rows, [read.report]


def _rules(options: dict[str, Any]) -> Any:
    from training.data.cleaning import Cleaning  # noqa: PLC0415 - ibis is slow to import

    return Cleaning(
        duplicates=not options["keep_duplicates"],
        item_pattern=options["item_pattern"],
        notes=options["drop_notes"],
        max_events_per_hour=options["max_events_per_hour"] or None,
        searched_sessions_only=options["searched_sessions_only"],
    )


def _grading(options: dict[str, Any]) -> Any:
    from training.data.grading import PositionModel  # noqa: PLC0415 - ibis is slow to import
    from training.data.prepare import Grading  # noqa: PLC0415

    model = PositionModel(impression_type=options["impression_type"])
    return Grading(options["by"], dict(_numbers(options["weights"])), model)


def _judgments(engine: Engine, path: Path, options: dict[str, Any]) -> Any:
    from training.data.judgments import JudgmentColumns  # noqa: PLC0415 - ibis is slow to import
    from training.data.prepare import read_any_judgments, read_topics  # noqa: PLC0415

    columns = JudgmentColumns(options["query_column"], options["doc_column"], options["grade_column"], options["query_id_column"])
    ratings = {_number(rating): grade for rating, grade in _numbers(options["ratings"])} or None
    queries = read_topics(engine, options["queries"]) if options["queries"] else None
    return read_any_judgments(engine, path, columns, ratings, queries)


def _run(engine: Engine, path: Path | None) -> Any:
    from training.data.trec import read_run, to_run  # noqa: PLC0415 - ibis is slow to import

    if path is None:
        return None
    read = read_run(engine, [path])
    notes.print(str(read.report))
    return to_run(read)


def _list_settings(options: dict[str, Any]) -> Any:
    from training.data.build import ListSettings  # noqa: PLC0415 - ibis is slow to import

    names = ("hard_negatives", "hard_below", "random_negatives", "max_hits", "keep_single_grade", "seed")
    return ListSettings(**{name: options[name] for name in names})


def _numbers(pairs: Iterable[str]) -> list[tuple[str, float]]:
    found = []
    for pair in pairs:
        name, equals, number = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not of the form NAME=NUMBER")
        found.append((name, _number(number)))
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number") from None
