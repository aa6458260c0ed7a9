"""`rerank evaluate`: every first pass beside every model, on judged data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cluster.served_pages import PipelineName
from scripts.evaluation import Chosen, evaluation_options
from scripts.first_passes import TAKEN, FirstPass, first_pass_option, names_of
from scripts.output import json_option, notes, print_json, progress_bar, tables_console
from scripts.places import NEW_FOLDER
from sidecar.log import configure_logging

if TYPE_CHECKING:
    from training.evaluate.report import Report


def _named(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Path]:
    """NAME=DIRECTORY, or a directory that is its own name."""
    named: dict[str, Path] = {}
    for value in values:
        name, equals, path = value.partition("=")
        directory = Path(path if equals else value)
        name = name if equals else directory.resolve().name
        if not directory.is_dir():
            raise click.BadParameter(f"{directory} is not a directory")
        if name in named or name == "embedder" or "/" in name:
            raise click.BadParameter(f"{name!r} cannot name a model here, or names two: give it one as NAME=DIRECTORY")
        named[name] = directory
    return named


def _labels(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if not all(name and text for name, _, text in pairs):
        raise click.BadParameter("expected MODEL=TEXT, for instance fast='trained without esci'")
    return {name: text for name, _, text in pairs}


def _depths(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[int, ...]:
    try:
        depths = tuple(sorted({int(part) for value in values for part in value.split(",") if part.strip()}))
    except ValueError:
        raise click.BadParameter("expected whole numbers, such as 10,20,50,100,200") from None
    if not depths or depths[0] < 10:
        raise click.BadParameter("NDCG@10 needs windows of 10 hits or more")
    return depths


def _served(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[PipelineName, ...]:
    """The name of a stored pipeline, or NAME=FILE."""
    named = []
    for value in values:
        name, equals, path = value.partition("=")
        if equals and not Path(path).is_file():
            raise click.BadParameter(f"{path} is not a file: name a stored pipeline, or a definition as NAME=FILE")
        named.append(PipelineName(name, Path(path) if equals else None))
    if len({each.name for each in named}) < len(named):
        raise click.BadParameter("two pipelines have one name: give them others as NAME=FILE")
    return tuple(named)


@click.command()
@evaluation_options(split="test")
@click.option("--models", multiple=True, callback=_named, metavar="[NAME=]DIRECTORY", help="A model directory; repeatable.")
@click.option("--label", "labels", multiple=True, callback=_labels, metavar="MODEL=TEXT", help="A mark beside a model in every table.")
@first_pass_option("Whose window models re-rank")
@click.option("--window", default=100, show_default=True, type=click.IntRange(10, 1000), help="Hits that models re-rank.")
@click.option(
    "--depths", multiple=True, default=("10,20,50,100,200",), show_default=True, callback=_depths, help="Windows of the depth curve."
)
@click.option(
    "--relevant-from", default=1, show_default=True, type=click.IntRange(1), help="The least grade that MAP, MRR and recall count."
)
@click.option(
    "--served",
    multiple=True,
    callback=_served,
    metavar="PIPELINE|NAME=FILE",
    help="Also measure the cluster's pages through this stored pipeline, or through a definition that need not be stored; repeatable.",
)
@click.option("--misspelt", "slips", is_flag=True, help="Every query with one typing slip: what first passes and models make of it.")
@click.option("--annotate", is_flag=True, help="Write the figures into each model's manifest and card, too.")
@click.option("--out", required=True, type=NEW_FOLDER, help="The report's folder.")
@json_option
def command(
    *,
    chosen: Chosen,
    models: dict[str, Path],
    labels: dict[str, str],
    first_passes: tuple[FirstPass, ...],
    window: int,
    depths: tuple[int, ...],
    relevant_from: int,
    served: tuple[PipelineName, ...],
    slips: bool,
    annotate: bool,
    out: Path,
    as_json: bool,
) -> None:
    """Measure first passes and models on judged data: quality, how sure it is, latency, and where it helps and harms.

    Writes report.html, report.json and TREC files of every system. First passes run on a live node whose index holds the catalogue, or
    in memory (--offline).

    \b
    Example: rerank evaluate --data ../shared/data/esci --models sidecar/models/fast --models sidecar/models/best --out runs/report
    """
    from training.evaluate.card import annotate_cards  # noqa: PLC0415 - torch, matplotlib and pyarrow are slow to import
    from training.evaluate.evidence import Plan  # noqa: PLC0415
    from training.evaluate.files import write  # noqa: PLC0415
    from training.evaluate.judged import misspelt, too_few  # noqa: PLC0415
    from training.evaluate.run import evaluate_all  # noqa: PLC0415

    if slips and annotate:
        raise click.UsageError("--annotate writes the figures of queries as they are: leave --misspelt out")
    _check_marks(labels, models)
    _check_names(models, names_of(first_passes))
    configure_logging("error")
    sets, place, embedder = chosen.selection().read(), chosen.place(first_passes, served), chosen.embedder_directory()
    sets = [misspelt(judged) for judged in sets] if slips else sets
    for line in too_few(sets):
        notes.print(f"warning: {line}")
    plan = Plan(window, depths, names_of(first_passes))
    report, evaluated = evaluate_all(sets, place, models, embedder, plan, labels=labels, relevant_from=relevant_from, progress=progress_bar)
    write(out, report, evaluated)
    if annotate:
        annotate_cards(report, models)
    _show(report, out, as_json=as_json)


def _check_marks(labels: dict[str, str], models: dict[str, Path]) -> None:
    """Raise BadParameter where a mark names no model."""
    unknown = sorted(set(labels) - set(models))
    if unknown:
        raise click.BadParameter(f"there is no model {unknown[0]!r} to mark; there are {', '.join(models) or 'none'}", param_hint="--label")


def _check_names(models: dict[str, Path], first_passes: tuple[str, ...]) -> None:
    """Raise BadParameter where a model is called as a first pass is: they would share a line."""
    if both := {*models} & {*TAKEN, *first_passes}:
        raise click.BadParameter(f"{min(both)} is a first pass: name the model otherwise, as NAME=DIRECTORY", param_hint="--models")


def _show(report: Report, out: Path, *, as_json: bool) -> None:
    from training.evaluate.console import tables  # noqa: PLC0415 - as above

    for judged in report.sets:
        for note in judged.notes:
            notes.print(f"{judged.name}: {note}")
    if as_json:
        print_json(report)
        return
    console = tables_console()
    for table in tables(report):
        console.print(table, "")
    notes.print(f"the report is in {out / 'report.html'}")
