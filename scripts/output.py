"""What commands print: JSON on standard output for scripts, everything for people beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object to standard output.")
url_option = click.option(
    "--url", default="http://127.0.0.1:9200", show_default=True, envvar="OPENSEARCH_URL", help="The cluster (also OPENSEARCH_URL)."
)
index_option = click.option("--index", default="products", show_default=True, help="Alias or index.")

# Progress and warnings go beside the result, so that a pipe gets the result alone.
notes = Console(stderr=True, highlight=False)


def print_json(value: object) -> None:
    """One object on one line."""
    click.echo(msgspec.json.encode(value, enc_hook=str))


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with rate and remaining time; yields the function that moves it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes) as progress:
        task = progress.add_task(label, total=total)
        yield lambda done: progress.advance(task, done)
