"""What benchmarks and experiments ask alike, the environments they need, and how a benchmark ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from cluster.errors import InvalidCatalogue
from cluster.workspace import CHECKOUT, SHIPPED_MODELS
from scripts.output import given_options, notes, print_json

Function = TypeVar("Function", bound=Callable[..., Any])


def _data(_context: click.Context, _parameter: click.Parameter, given: Path | None) -> Path:
    folder = given or Path(os.environ.get("RERANK_DATA", CHECKOUT.parent / "shared" / "data"))
    if not (folder / "esci").is_dir():
        raise InvalidCatalogue(f"{folder / 'esci'} is not there: give the folder of the data sets with --data or RERANK_DATA")
    return folder


data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    callback=_data,
    help="Folder that holds `esci` (products.jsonl.gz, judgments.json.gz); default: RERANK_DATA, else ../shared/data.",
)
models_option = click.option(
    "--models",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=SHIPPED_MODELS,
    help="Directory of model directories; default: the shipped ones.",
)
quick_option = click.option("--quick", is_flag=True, help="As small as it goes: shows that the command works, its figures mean nothing.")


def rounds_option(default: int) -> Callable[[Function], Function]:
    """How often everything is measured."""
    return click.option("--rounds", type=click.IntRange(1), default=default, show_default=True, help="Rounds that are counted.")


def environments_of(names: tuple[str, ...]) -> dict[str, Any]:
    """The environments of other programs by name, installed where they are missing or old."""
    from benchmarks.environments import Environment  # noqa: PLC0415

    environments = {name: Environment(name) for name in names}
    for environment in environments.values():
        if not environment.is_current():
            notes.print(f"installing {environment.name} into {environment.home} ...")
        environment.make_current()
    return environments


def finish(report: Any, draw: Any, *, as_json: bool) -> None:
    """Write a report with the options that were given, and show it."""
    from benchmarks.report import write_report  # noqa: PLC0415

    report = replace(report, options=given_options())
    folder = write_report(report, draw)
    if as_json:
        print_json(report)
    else:
        click.echo(report.markdown())
    notes.print(f"written to {folder}")
