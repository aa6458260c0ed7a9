"""`rerank experiments`: what the papers claim, tried on this machine, for docs/experiments.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cluster.errors import ClusterError
from cluster.workspace import CHECKOUT, SHIPPED_MODELS
from scripts.bench_options import data_option, quick_option
from scripts.output import given_options, json_option, notes, print_json, progress_bar
from scripts.places import NEW_FOLDER

if TYPE_CHECKING:
    from training.experiments.lab import Lab, Outcome

Function = TypeVar("Function", bound=Callable[..., Any])
FOLDER = CHECKOUT / "runs" / "experiments"
PAGE = CHECKOUT / "docs" / "experiments.md"
_RUN = click.Path(exists=True, file_okay=False, path_type=Path)


def _layers(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[int, ...] | None:
    if value == "all":
        return None
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter("expected numbers such as 0,2,5, or all") from None


_out_option = click.option("--out", type=NEW_FOLDER, default=FOLDER, help="Results; default: runs/experiments.")


_split_option = click.option(
    "--split",
    type=click.Choice(["test", "validation"]),
    default="test",
    show_default=True,
    help="Queries that judge. Choose by `validation` alone: what was chosen by test queries is measured on them no more.",
)


def measuring_options(function: Function) -> Function:
    """What every experiment is told alike."""
    for option in (json_option, quick_option, _out_option, _split_option, data_option):
        function = option(function)
    return function


_grammar_option = click.option(
    "--grammar-steps",
    type=click.IntRange(0),
    default=1200,
    show_default=True,
    help="Steps on lists of the catalogue grammar that teach the common start to match; 0: none, for a base that can.",
)


def training_options(*, steps: int, seeds: int) -> Callable[[Function], Function]:
    """What every experiment is told that trains networks."""
    options = (
        click.option("--base", default="minilm", show_default=True, help="What networks start from: a known base, or a directory."),
        click.option("--layers", default="0,2,5", show_default=True, callback=_layers, help="The base's layers that are kept, or all."),
        click.option("--steps", type=click.IntRange(1), default=steps, show_default=True, help="Steps of 64 hits of each training."),
        click.option("--seeds", type=click.IntRange(1), default=seeds, show_default=True, help="Networks a row, each of another seed."),
    )

    def decorate(function: Function) -> Function:
        function = measuring_options(function)
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@click.group()
def command() -> None:
    """Try what the papers claim, on judged data and on this machine.

    Each command trains or measures cell by cell, keeps every finished cell below runs/experiments and goes on where it was stopped. It
    prints a table and leaves report.json, report.md and plot.png. Minutes are for two idle cores.

    \b
    Example: rerank experiments losses --seeds 3
    """


@command.command()
@training_options(steps=480, seeds=3)
@_grammar_option
def losses(**options: Any) -> None:
    """Seven ranking losses from one start, beside what ListBERT reports. About 35 minutes, and 8 for the start.

    \b
    Example: rerank experiments losses --seeds 3
    """
    from training.experiments.losses import losses as experiment  # noqa: PLC0415 - torch is slow to import

    _run("losses", options, experiment)


@command.command()
@training_options(steps=240, seeds=2)
@click.option("--documents", type=click.IntRange(2), default=1600, show_default=True, help="Documents to pre-train on.")
@_grammar_option
def mlm(*, documents: int, **options: Any) -> None:
    """Masked-word pre-training on the catalogues, with and without. About 15 minutes, and 8 for the start.

    \b
    Example: rerank experiments mlm --seeds 3
    """
    from training.experiments.mlm import mlm as experiment  # noqa: PLC0415 - torch is slow to import

    count = 64 if options["quick"] else documents
    _run("mlm", options, lambda lab: experiment(lab, documents=count))


@command.command()
@training_options(steps=200, seeds=1)
@click.option(
    "--teacher",
    type=_RUN,
    default=CHECKOUT / "runs" / "best-taught",
    help="A finished run's folder; default: runs/best-taught (`make models`).",
)
def size(*, teacher: Path, **options: Any) -> None:
    """Students of 1 to 12 layers, three losses, and those that read documents ahead of time. About 40 minutes.

    \b
    Example: rerank experiments size --teacher runs/best-taught
    """
    from training.experiments import size as experiment  # noqa: PLC0415 - torch is slow to import

    students = experiment.STUDENTS[:1] + experiment.STUDENTS[-2:] if options["quick"] else experiment.STUDENTS
    _run("size", options, lambda lab: experiment.size(lab, teacher, students=students, windows=_windows(options)))


@command.command()
@measuring_options
@click.option(
    "--run",
    "runs",
    type=_RUN,
    multiple=True,
    default=(CHECKOUT / "runs" / "fast-taught", CHECKOUT / "runs" / "instant-taught"),
    help="A finished run's folder; repeatable; default: runs/fast-taught and runs/instant-taught (`make models`).",
)
def quantization(*, runs: tuple[Path, ...], **options: Any) -> None:
    """Float, bf16, int8 dynamic and int8 static of finished networks. Nothing is trained. About 5 minutes.

    \b
    Example: rerank experiments quantization --run runs/fast-taught
    """
    from training.experiments.quantization import quantization as experiment  # noqa: PLC0415 - torch is slow to import

    _run("quantization", options, lambda lab: experiment(lab, runs, windows=_windows(options)))


@command.command()
@measuring_options
@click.option("--models", type=_RUN, default=SHIPPED_MODELS, help="Directory of model directories; default: the shipped ones.")
@click.option("--embedder", type=_RUN, default=SHIPPED_MODELS / "embedder", help="The embedder's directory; default: the shipped one.")
@click.option("--queries", type=click.IntRange(2), default=50, show_default=True, help="Queries of a set.")
@click.option("--cache", type=click.Path(path_type=Path), default=CHECKOUT / "var" / "evaluate", help="Keeps vectors between runs.")
def depth(*, models: Path, embedder: Path, queries: int, cache: Path, **options: Any) -> None:
    """Quality by the number of hits re-ranked, for the shipped models. About 3 minutes, 5 more where no vectors are kept yet.

    \b
    Example: rerank experiments depth --queries 50
    """
    from sidecar.manifest import read_manifest  # noqa: PLC0415
    from training.experiments.depth import depth as experiment  # noqa: PLC0415 - torch is slow to import

    rankers = {
        path.parent.name: path.parent for path in sorted(models.glob("*/manifest.json")) if read_manifest(path.parent).kind != "embedder"
    }
    if not rankers:
        raise ClusterError(f"{models} holds no model directory of a ranker")
    count = 3 if options["quick"] else queries
    _run("depth", options, lambda lab: experiment(lab, rankers, embedder, cache, queries=count))


@command.command()
@training_options(steps=240, seeds=2)
@_grammar_option
def augmentation(**options: Any) -> None:
    """Dropped fields, dropped words, typing slips and swapped attributes, on and off. About 15 minutes, and 8 for the start.

    \b
    Example: rerank experiments augmentation --seeds 2
    """
    from training.experiments.augmentation import augmentation as experiment  # noqa: PLC0415 - torch is slow to import

    _run("augmentation", options, experiment)


@command.command("carry-over")
@training_options(steps=240, seeds=2)
@click.option("--embedder", type=_RUN, default=SHIPPED_MODELS / "embedder", help="The embedder's directory; default: the shipped one.")
@_grammar_option
def carry_over(*, embedder: Path, **options: Any) -> None:
    """Leave one catalogue out: trained without it, judged on it, alone and fused with similarity. About 10 minutes, and 8 for the start.

    \b
    Example: rerank experiments carry-over --seeds 2
    """
    from training.experiments.carry_over import carry_over as experiment  # noqa: PLC0415 - torch is slow to import

    _run("carry-over", options, lambda lab: experiment(lab, embedder))


@command.command()
def publish() -> None:
    """Copy the newest tables of each experiment into docs/experiments.md, word for word; quick runs are left out.

    \b
    Example: rerank experiments publish
    """
    from benchmarks.publish import publish as copy  # noqa: PLC0415

    click.echo(f"{PAGE}: {', '.join(copy(PAGE, FOLDER, 'experiment'))}")


def _run(name: str, options: dict[str, Any], experiment: Callable[[Lab], Outcome]) -> None:
    from benchmarks.machine import this_machine  # noqa: PLC0415
    from benchmarks.report import Report, write_into  # noqa: PLC0415 - matplotlib is slow to import

    machine = this_machine(("torch", "transformers", "onnxruntime"))
    lab = _lab(options)
    try:
        outcome = experiment(lab)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    settings = {**_trained(lab, options), **outcome.settings}
    report = Report(
        name,
        machine,
        settings,
        outcome.tables,
        samples=outcome.samples,
        quick=options["quick"],
        command="experiments",
        options=given_options(),
    )
    # What is published was measured on test queries.
    target = lab.folder / name if lab.split == "test" else lab.folder / lab.split / name
    target.mkdir(parents=True, exist_ok=True)
    write_into(target, report, outcome.draw)
    if options["as_json"]:
        print_json(report)
    else:
        click.echo(report.markdown())
    notes.print(f"written to {target}")


def _lab(options: dict[str, Any]) -> Lab:
    from training.experiments.lab import Lab  # noqa: PLC0415 - torch is slow to import
    from training.experiments.sets import Limits  # noqa: PLC0415

    quick = options["quick"]
    return Lab(
        data=options["data"],
        # A folder of its own: a quick cell must never stand for a real one.
        folder=options["out"] / "quick" if quick else options["out"],
        base=options.get("base", ""),
        layers=options.get("layers"),
        steps=2 if quick else options.get("steps", 1),
        seeds=tuple(range(13, 13 + (1 if quick else options.get("seeds", 1)))),
        limits=Limits(4, 4, 6, 1) if quick else Limits(),
        progress=progress_bar,
        split=options["split"],
        grammar_steps=min(2, options.get("grammar_steps", 0)) if quick else options.get("grammar_steps", 0),
    )


def _trained(lab: Lab, options: dict[str, Any]) -> dict[str, Any]:
    """The settings of trainings, where there are any."""
    if "base" not in options:
        return {}
    layers = "all" if lab.layers is None else " ".join(map(str, lab.layers))
    start = {"grammar steps": lab.grammar_steps} if "grammar_steps" in options else {}
    return {"base": Path(lab.base).name, "layers": layers, **start, "steps": lab.steps, "seeds": len(lab.seeds)}


def _windows(options: dict[str, Any]) -> int:
    return 3 if options["quick"] else 20
