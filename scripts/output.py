"""What commands print: JSON on standard output for scripts, everything for people beside it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cluster.addresses import shown

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object to standard output.")


def _address(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """The URL of a cluster, which the client would take apart without looking at it."""
    try:
        parts = urlsplit(value)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound:
        raise click.BadParameter(f"{shown(value)!r} is no address of a cluster: expected one like http://host:9200")
    return value


def _name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("is empty: name an alias or an index")
    return value


def stack_name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """What a node and a sidecar of this machine are called: folders, the cluster and a command line have the name."""
    if not _STACK.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no name here: letters, digits, and . _ - after the first")
    return value


# Refused before what runs is stopped for it.
PORT = click.IntRange(1, 65_535)
_STACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

url_option = click.option(
    "--url",
    default="http://127.0.0.1:9200",
    show_default=True,
    envvar="OPENSEARCH_URL",
    callback=_address,
    help="The cluster (also OPENSEARCH_URL).",
)
index_option = click.option("--index", default="products", show_default=True, callback=_name, help="Alias or index.")

# Progress and warnings go beside the result, so that a pipe gets the result alone.
notes = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

# Two pages need room; a file or a pipe has no width of its own.
_PIPE_WIDTH = 150


def tables_console() -> Console:
    """A console for tables on standard output; brackets and colons in titles and names are what they are."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def given_options() -> tuple[str, ...]:
    """The options of the running command that its caller gave, as a shell would read them; without those that are paths of one machine."""
    context = click.get_current_context()
    given: list[str] = []
    for option in context.command.params:
        value = context.params.get(option.name or "")
        typed = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if typed and option.name != "as_json" and not isinstance(value, Path):
            given += _spelt(option.opts[-1], value)
    return tuple(given)


def _spelt(name: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [name] if value else []
    values = value if isinstance(value, tuple | list) else (value,)
    return [word for each in values for word in (name, shlex.quote(f"{each:g}" if isinstance(each, float) else str(each)))]


def print_json(value: object) -> None:
    """One object on one line."""
    click.echo(msgspec.json.encode(value, enc_hook=str))


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with rate and remaining time, shown from the first step on; yields the function that moves it."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=notes)
    task = progress.add_task(label, total=total)

    def advance(done: int) -> None:
        progress.start()
        progress.advance(task, done)

    try:
        yield advance
    finally:
        progress.stop()
