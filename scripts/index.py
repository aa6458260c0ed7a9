"""`rerank index`: a catalogue behind an alias."""

from __future__ import annotations

import difflib
import sys
from itertools import islice
from pathlib import Path

import click

from cluster.catalogue import Document, FieldNames, count_rows, read_catalogue
from cluster.columns import KNOWN_COLUMNS
from cluster.connection import connected
from cluster.embedding import SidecarEmbedder
from cluster.errors import EXIT_ROWS_LEFT_OUT
from cluster.indexing import Job, Outcome, index_catalogue, read_mapping, vector_dimension
from cluster.roles import ROLES
from cluster.states import Filled, SidecarStates
from cluster.workspace import CHECKOUT
from scripts.output import index_option, json_option, notes, print_json, progress_bar, url_option

_MOST_SHOWN = 20
# Rows whose fields tell what models read of a catalogue.
_LOOKED_AT = 100


def _renamed(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if not all(target and source for target, _, source in pairs):
        raise click.BadParameter("expected TARGET=SOURCE, for instance title=product_name")
    sources = [source for _, _, source in pairs]
    if repeated := next((source for source in sources if sources.count(source) > 1), None):
        targets = ", ".join(target for target, _, source in pairs if source == repeated)
        raise click.BadParameter(f"{repeated} is given more than once (as {targets}): a column becomes one field")
    return {source: target for target, _, source in pairs}


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@index_option
@url_option
@click.option("--mapping", default="products", show_default=True, help="A name in mappings/ (products, content) or a file.")
@click.option(
    "--field",
    "renamed",
    multiple=True,
    callback=_renamed,
    metavar="TARGET=SOURCE",
    help="Index SOURCE, a column or a dotted path into one (author.name), as TARGET; repeatable.",
)
@click.option("--id-field", "--id-column", help="The field that holds the id; default: `_id` or `id`.")
@click.option("--sidecar", default="http://127.0.0.1:8080", show_default=True, help="Where the vectors come from.")
@click.option("--states", metavar="PROFILE", help="Then have this decomposed profile read the documents ahead of searches (`instant`).")
@click.option("--no-vectors", is_flag=True, help="Index without vectors: no sidecar, no k-NN plugin, no knn queries.")
@click.option("--remove-old", is_flag=True, help="Delete the index that was live before; without it a roll-back is one alias away.")
@click.option(
    "--allow-left-out",
    default=50,
    show_default=True,
    type=click.IntRange(0, 100),
    metavar="PERCENT",
    help="Rows that may be left out of an index that takes a live one's place.",
)
@click.option("--rebuild", is_flag=True, help="Build anew although the live index already holds this file.")
@json_option
def command(
    *,
    file: Path,
    index: str,
    url: str,
    mapping: str,
    renamed: dict[str, str],
    id_field: str | None,
    sidecar: str,
    states: str | None,
    no_vectors: bool,
    remove_old: bool,
    allow_left_out: int,
    rebuild: bool,
    as_json: bool,
) -> None:
    """Index a catalogue (JSONL, CSV, TSV; plain or .gz) behind an alias.

    A new index is built beside the live one and the alias is switched when it is whole. A run that was cut off goes on where it
    stopped; the same file again does nothing. Rows that cannot be indexed are named by line and left out (exit code 8).

    \b
    Example: rerank index shop.csv --index products --field title=product_name --id-field sku
    """
    definition = mapping_file(mapping)
    embedder = None if no_vectors else SidecarEmbedder(sidecar, vector_dimension(definition))
    job = Job(file, index, definition, FieldNames(renamed, id_field), embedder, remove_old, rebuild, allow_left_out / 100)
    _tell_slips(renamed, job)
    if embedder is not None or states is not None:
        _tell_unread(job)
    reader = None if states is None else SidecarStates(sidecar, states)
    if reader is not None:
        # Told now rather than after a long indexing.
        reader.check()
    with connected(url) as client, progress_bar(f"indexing {file.name}", count_rows(file)) as advance:
        outcome = index_catalogue(client, job, advance)
    filled = None if reader is None else _fill(job, reader)
    _show(outcome, index, filled, without_vectors=no_vectors, as_json=as_json)
    if outcome.left_out:
        sys.exit(EXIT_ROWS_LEFT_OUT)


def _tell_slips(renamed: dict[str, str], job: Job) -> None:
    """A field that is neither in the mapping nor read by models is probably meant to be one that is."""
    fields = read_mapping(job.mapping, vectors=False)["mappings"]["properties"]
    for target in sorted({*renamed.values()} - {*fields, *KNOWN_COLUMNS, "_id", "id"}):
        meant = difflib.get_close_matches(target, [*KNOWN_COLUMNS, *fields], n=1)
        likely = f": did you mean {meant[0]}?" if meant else ""
        notes.print(f"{target} is no field of {job.mapping.name}, and models read none of that name{likely}")


def _tell_unread(job: Job) -> None:
    """Documents of which models read no field have one vector, and one state, all of them: it is told before they are computed."""
    rows = list(islice(read_catalogue(job.file, job.names), _LOOKED_AT))
    fields = {name for row in rows if isinstance(row, Document) for name in row.body}
    if fields and fields.isdisjoint(ROLES):
        roles, named = ", ".join(ROLES), ", ".join(sorted(fields))
        notes.print(
            f"models read no field of the first rows, so that all vectors will be alike: they read {roles}, and the rows have {named}. "
            "Name them by --field, such as --field title=NAME"
        )


def _fill(job: Job, states: SidecarStates) -> Filled:
    with progress_bar(f"reading {job.file.name} for {states.profile}", count_rows(job.file)) as advance:
        return states.fill(read_catalogue(job.file, job.names), advance)


def mapping_file(name: str) -> Path:
    """A file of `mappings/` by its name, or any other by its path."""
    folder = CHECKOUT / "mappings"
    shipped = folder / f"{name}.json"
    path = shipped if shipped.is_file() else Path(name)
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.json")))
        raise click.BadParameter(f"{name} is neither a file nor one of {known}", param_hint="--mapping")
    return path


def _show(outcome: Outcome, alias: str, filled: Filled | None, *, without_vectors: bool, as_json: bool) -> None:
    for row in outcome.bad[:_MOST_SHOWN]:
        notes.print(f"left out: {row}")
    if outcome.left_out > _MOST_SHOWN:
        notes.print(f"... and {outcome.left_out - _MOST_SHOWN} more")
    if as_json:
        print_json({"index": outcome, "states": filled} if filled else outcome)
        return
    if filled:
        click.echo(f"states of documents: {filled.computed} computed, {filled.known} known before")
    if outcome.unchanged:
        click.echo(f"{alias} -> {outcome.index}: holds this file already, nothing to do")
        return
    vectors = ", without vectors: knn and hybrid queries on it are refused (400)" if without_vectors else ""
    click.echo(
        f"{alias} -> {outcome.index}: {outcome.indexed} indexed, {outcome.already} there before, {outcome.left_out} left out{vectors}"
    )
    if outcome.kept:
        notes.print(f"not removed, as it holds what was left out now: {', '.join(outcome.kept)}")
    if outcome.unfinished:
        notes.print(f"never finished, of other catalogues, and safe to delete where no run goes on: {', '.join(outcome.unfinished)}")
    if outcome.removed:
        click.echo(f"removed: {', '.join(outcome.removed)}")
