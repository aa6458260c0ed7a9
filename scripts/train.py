"""`rerank train`: one run file, one trained network."""

from __future__ import annotations

from pathlib import Path

import click

from scripts.output import json_option, print_json
from scripts.places import NEW_FOLDER


@click.command()
@click.argument("run_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=NEW_FOLDER, help="The run's folder: checkpoints, model, report.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a setting of the run file, by its dotted key.")
@click.option(
    "--resume/--fresh", default=True, show_default=True, help="Go on from the folder's last checkpoint, or remove them and start anew."
)
@json_option
def command(*, run_file: Path, out: Path, settings: tuple[str, ...], resume: bool, as_json: bool) -> None:
    """Train the network that a run file describes; an interrupted run goes on where it stopped.

    A folder that holds a run of other settings is refused.

    \b
    Example: rerank train recipes/quick.yaml --out runs/quick --set train.epochs=2
    """
    from accelerate import PartialState  # noqa: PLC0415 - torch is slow to import

    from training.run_file import parse_overrides, read_run_file  # noqa: PLC0415
    from training.runs import train  # noqa: PLC0415

    try:
        run = read_run_file(run_file, parse_overrides(settings))
        steps: list[int] = []
        report = train(run, out, resume=resume, on_step=steps.append)
    # OSError: a file that is missing, or what transformers says of an unknown base.
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if not PartialState().is_main_process:
        return
    if as_json:
        print_json(report)
        return
    if not steps:
        click.echo(f"{out} holds this run, trained to its end: nothing was trained now (--fresh trains anew)")
    for name, value in report.validation.items():
        click.echo(f"{name}: NDCG@10 {value:.4f}")
    click.echo(f"{report.verdict}\n{report.steps} steps in {report.seconds:.0f} s; the network is in {out / 'model'}")
