"""`rerank data`: logs -> judgments, judgments -> training sets, and what the preparation costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.data_options import COLUMNS, column_options, engine_options, grading, list_settings, moment, pattern, role_option, rules
from scripts.judgment_options import judgment_options, judgments_file
from scripts.mining import check_mining, mining_options, opened_mining
from scripts.output import notes
from scripts.places import NEW_FILE, NEW_FOLDER

if TYPE_CHECKING:
    from training.data.engine import Engine
    from training.data.first_pass import FirstPass
    from training.data.reading import Read
    from training.data.report import Report
    from training.evaluate.mining import Mining

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Turn a shop's logs and judgments into training sets; every row that is left out is counted, and examples named by file and line."""


@command.command()
@click.argument("paths", nargs=-1, required=True, type=_FILE)
@column_options
@click.option("--constant-type", default="click", show_default=True, help="The type of every row, where the log has no such column.")
@click.option("--position-base", type=click.IntRange(0, 1), default=1, show_default=True, help="Whether positions count from 0 or from 1.")
@click.option("--ubi-queries", multiple=True, type=_FILE, help="UBI queries: the paths are then UBI events, and need no columns.")
@click.option("--by", type=click.Choice(["position", "type"]), default="position", show_default=True, help="What makes a grade.")
@click.option("--weight", "weights", multiple=True, metavar="TYPE=WEIGHT", default=("click=1", "cart=2", "purchase=3"), show_default=True)
@click.option("--impression-type", default="impression", show_default=True, help="The type of a row that says an item was shown.")
@click.option("--keep-duplicates", is_flag=True, help="Keep rows that are equal in every named column, time and user too.")
@click.option(
    "--item-pattern", default=None, metavar="REGEX", callback=pattern, help="What the ids of real items match; fees and postage are none."
)
@click.option("--drop-notes", is_flag=True, help="Drop rows whose item name is a note, such as `damaged`.")
@click.option("--max-events-per-hour", default=1000, show_default=True, help="A user with more in any hour is a bot; 0 for no limit.")
@click.option("--searched-sessions-only", is_flag=True, help="Drop sessions without a search.")
@click.option("--test-from", default=None, metavar="TIME", callback=moment, help="Grade what happened from here on apart, as --test-out.")
@click.option("--test-out", default=None, type=NEW_FILE, help="The judgments from --test-from on.")
@engine_options
@click.option("--out", required=True, type=NEW_FILE, help="The judgments file: query, doc_id, grade.")
def grade(paths: tuple[Path, ...], engine: str, memory_limit: str, out: Path, **options: Any) -> None:
    """Clean an interaction log and grade its (query, item) pairs.

    \b
    Example: rerank data grade log.csv --item-column sku --query-column search --type-column action --position-column rank
             --timestamp-column time --user-column visitor --out judgments.tsv
    """
    from training.data.prepare import Output, grade_log  # noqa: PLC0415 - ibis and torch are slow to import

    if (options["test_from"] is None) != (options["test_out"] is None):
        raise click.UsageError("--test-from and --test-out go together: a moment, and the file of the judgments from it on")
    output = Output(out, options["test_from"], options["test_out"])

    def run(opened: Engine) -> None:
        grade_log(opened, _interactions(opened, paths, options), rules(options), grading(options), output, _tell)

    _with_engine(engine, memory_limit, run)
    click.echo(f"the judgments are in {' and '.join(str(path) for path in (out, options['test_out']) if path)}")


@command.command()
@click.option("--judgments", required=True, type=_FILE, help="A Quepid document, a table, or TREC qrels.")
@click.option("--catalogue", "catalogues", multiple=True, required=True, type=_FILE, help="JSONL, CSV or TSV, also gzipped.")
@click.option("--preset", default=None, help="Columns of a known catalogue: esci, msrd, movielens, products.")
@role_option
@click.option("--id-column", default=None, help="The column of the document id; default: the preset's, or id.")
@judgment_options
@click.option("--split", default=None, type=_FILE, help="The queries of each part, as JSON; without it a query's checksum decides.")
@click.option("--run", "run_file", default=None, type=_FILE, help="A TREC run of the first pass, for hard negatives.")
@click.option(
    "--run-queries",
    default=None,
    type=_FILE,
    help="Texts of the run's query ids, ID<TAB>TEXT, such as the queries.tsv of `rerank evaluate`.",
)
@mining_options
@click.option("--hard-negatives", type=click.IntRange(0), default=4, show_default=True)
@click.option(
    "--hard-below", type=click.IntRange(0), default=10, show_default=True, help="Hard negatives rank below this in the first pass."
)
@click.option("--random-negatives", type=click.IntRange(0), default=4, show_default=True)
@click.option("--max-hits", default=32, show_default=True, type=click.IntRange(min=2), help="Hits of a training list at most.")
@click.option("--keep-single-grade", is_flag=True, help="Keep lists of one grade, for losses over single hits.")
@click.option("--seed", default=0, show_default=True)
@engine_options
@click.option("--out", required=True, type=NEW_FOLDER, help="One training set for each part goes here.")
def lists(judgments: Path, engine: str, memory_limit: str, out: Path, **options: Any) -> None:
    """Split judgments by query and write training sets; refuses parts that share a query.

    \b
    Example: rerank data lists --judgments judgments.json.gz --catalogue products.jsonl.gz --preset esci --split split.json --out sets
             rerank data lists --judgments judgments.tsv --catalogue products.jsonl --mine rrf --index products --out sets
    """
    from training.data.catalogue import catalogue_columns, read_catalogue  # noqa: PLC0415 - ibis and torch are slow to import
    from training.data.prepare import write_training_sets  # noqa: PLC0415
    from training.data.refusals import refuse_nothing  # noqa: PLC0415
    from training.data.splits import read_split  # noqa: PLC0415

    if options["run_queries"] and not options["run_file"]:
        raise click.UsageError("--run-queries names the queries of a run: give --run too")
    check_mining(options)

    def run(opened: Engine, mining: Mining | None) -> None:
        columns = catalogue_columns(options["preset"], options["roles"], options["id_column"])
        catalogue, read = read_catalogue(options["catalogues"], columns)
        _tell(read)
        refuse_nothing(read)
        written = write_training_sets(
            out,
            judgments_file(judgments, options).read(opened),
            catalogue,
            source=judgments.name.split(".")[0],
            tell=_tell,
            first_pass=mining or _first_pass(opened, options),
            named=read_split(options["split"]) if options["split"] else None,
            settings=list_settings(options),
        )
        click.echo(f"the training sets are in {out}: {', '.join(written)}")

    with opened_mining(options) as mining:
        _with_engine(engine, memory_limit, lambda opened: run(opened, mining))


@command.command()
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", required=True, type=NEW_FOLDER, help="The new training set's folder.")
def swap(source: Path, out: Path) -> None:
    """Write a training set again with hard negatives that differ in one attribute: the red shirt made blue, for a query that wants red.

    \b
    Example: rerank data swap runs/sets/train --out runs/sets/train-swapped
    """
    from training.data.augmentation import write_swapped  # noqa: PLC0415 - torch is slow to import

    try:
        count = write_swapped(source, out)
    except (ValueError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    if not count:
        notes.print("no query of a graded list names the colour, brand or size of its best hits: nothing was swapped")
    click.echo(f"{count} swapped hits; the set is in {out}")


@command.command()
@click.option("--rows", type=click.IntRange(1), default=50_000_000, show_default=True, help="Rows of the log that is made.")
@click.option("--memory-limit", default="2GB", show_default=True, help="DuckDB's memory; beyond it, it spills to disk.")
@click.option("--folder", type=NEW_FOLDER, help="Where the log is made; without it, the usual place.")
def bench(rows: int, memory_limit: str, folder: Path | None) -> None:
    """Make an interaction log, prepare it, and print the peak memory of this process.

    \b
    Example: rerank data bench --rows 50000000 --memory-limit 2GB
    """
    from training.data.bench import bench_in_folder  # noqa: PLC0415 - ibis is slow to import

    try:
        click.echo(str(bench_in_folder(rows, memory_limit, folder)))
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _tell(report: Report) -> None:
    notes.print(str(report))


def _with_engine(name: Any, memory_limit: str, run: Callable[[Engine], None]) -> None:
    import duckdb  # noqa: PLC0415 - slow to import, as is ibis

    from training.data.engine import open_engine  # noqa: PLC0415

    try:
        with open_engine(name, memory_limit=memory_limit) as opened:
            run(opened)
    except duckdb.Error as error:
        raise click.ClickException(f"{_meaning(str(error))}. DuckDB stopped: {error}") from error
    except (ValueError, FileNotFoundError, RuntimeError) as error:
        raise click.ClickException(str(error)) from error


def _meaning(message: str) -> str:
    if "state machine" in message:
        return "A file ends some lines with LF and others with CRLF: make them alike (dos2unix)"
    if "nicode" in message or "UTF-8" in message:
        return "A file is not UTF-8: convert it, for instance iconv -f latin1 -t utf-8"
    return "Look at --item-pattern or --memory-limit if the error speaks of them"


def _interactions(engine: Engine, paths: tuple[Path, ...], options: dict[str, Any]) -> Read:
    from training.data.interactions import InteractionColumns, read_interactions  # noqa: PLC0415 - ibis is slow to import
    from training.data.reading import Read  # noqa: PLC0415
    from training.data.sources import read_ubi  # noqa: PLC0415

    if options["ubi_queries"]:
        found = read_ubi(engine, options["ubi_queries"], paths, ordinal_base=options["position_base"])
        for report in found.reports:
            _tell(report)
        return Read(found.interactions, found.reports[-1])
    named = {name.replace("-", "_"): options[f"{name.replace('-', '_')}_column"] for name in COLUMNS}
    if named["item"] is None:
        raise click.UsageError("--item-column is needed, unless --ubi-queries is given")
    columns = InteractionColumns(**named, constant_type=options["constant_type"], position_base=options["position_base"])
    read = read_interactions(engine, paths, columns)
    _tell(read.report)
    return read


def _first_pass(engine: Engine, options: dict[str, Any]) -> FirstPass | None:
    from training.data.prepare import read_first_pass  # noqa: PLC0415 - ibis is slow to import

    return read_first_pass(engine, options["run_file"], options["run_queries"], _tell) if options["run_file"] else None
