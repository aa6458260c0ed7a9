"""`rerank fuse`: a model's fusion with the first pass, fitted, cross-validated, and written where it helps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts.evaluation import Chosen, evaluation_options
from scripts.first_passes import FirstPass, first_pass_option, names_of
from scripts.fusion_prior import prior_option
from scripts.output import json_option, notes, print_json, progress_bar
from sidecar.fusion import DENSE
from sidecar.log import configure_logging
from sidecar.manifest import read_manifest

if TYPE_CHECKING:
    from training.fusion import Fitted
    from training.fusion_weights import Prior

_LEAST_GAIN = 0.002


@click.command()
@evaluation_options(split="train")
@click.option(
    "--model", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="The model directory to fit and write."
)
@first_pass_option("Whose windows it is fitted on")
@click.option("--window", default=100, show_default=True, type=click.IntRange(10, 1000), help="Hits of a window.")
@prior_option
@click.option("--folds", default=5, show_default=True, type=click.IntRange(3, 20), help="Parts of the cross-validation.")
@click.option(
    "--min-gain",
    type=float,
    help=f"NDCG@10 that fusing must gain by cross-validation to be written; default: {_LEAST_GAIN}, and with --prior, which speaks for it, "
    "that the queries do not speak against it (an interval that ends below 0).",
)
@click.option("--no-similarity", is_flag=True, help="Leave vectors out: for a service whose hits come without `similarity`.")
@click.option("--dry-run", is_flag=True, help="Report, and write nothing.")
@json_option
def command(
    *,
    chosen: Chosen,
    model: Path,
    first_passes: tuple[FirstPass, ...],
    window: int,
    prior: Prior | None,
    folds: int,
    min_gain: float | None,
    no_similarity: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Fit how a model's score is fused with the first pass, word overlap and vectors, and write it into the manifest if that helps.

    Fit it on queries that the model was not trained on where you have them: on others its own score looks better than it is, and fusing
    worse.

    \b
    Example: rerank fuse --model sidecar/models/fast --data ../shared/data/esci --split train
    """
    from training.evaluate.evidence import Plan  # noqa: PLC0415 - torch and pyarrow are slow to import
    from training.evaluate.fuse import fuse_model, write_fusion  # noqa: PLC0415
    from training.fusion_weights import NO_PRIOR  # noqa: PLC0415

    configure_logging("error")
    plan = Plan(window, (), names_of(first_passes), timed_again=0, similarity=not no_similarity)
    near = NO_PRIOR if prior is None else prior.without(DENSE) if no_similarity else prior
    try:
        sets, place, embedder = chosen.selection().read(), chosen.place(first_passes), chosen.embedder_directory()
        for judged in sets:
            for note in judged.notes:
                notes.print(f"{judged.name}: {note}")
        fitted = fuse_model(model, sets, place, embedder, plan, folds=folds, progress=progress_bar, prior=near)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    least = _LEAST_GAIN if min_gain is None and not near.says_something() else min_gain
    helps = fitted.does_no_harm() if least is None else fitted.helps(least)
    written = helps and not dry_run
    if written:
        _tell_stale(model)
        write_fusion(model, fitted, sets)
    if as_json:
        print_json({"fitted": fitted, "helps": helps, "written": written})
        return
    _show(fitted, model, helps=helps, written=written, least=least)


def _tell_stale(model: Path) -> None:
    """Say which figures the card is about to lose: they are of the fusion before."""
    from training.evaluate.card import measured  # noqa: PLC0415 - as above

    if stale := measured(read_manifest(model).quality):
        notes.print(
            f"{len(stale)} figures on the model's card were of its fusion before, and are gone: `rerank evaluate --annotate` measures "
            "them anew"
        )


def _show(fitted: Fitted, model: Path, *, helps: bool, written: bool, least: float | None) -> None:
    found = fitted.comparison
    click.echo(", ".join(f"{name} {weight:g}" for name, weight in fitted.fusion.weights.items()) + f" (penalty {fitted.penalty:g})")
    click.echo(
        f"NDCG@10 by {fitted.folds}-fold cross-validation over {found.queries} queries, fitted on {fitted.lists} windows of "
        f"{' and '.join(fitted.first_passes)}: {fitted.first_pass:.4f} first pass, "
        f"{fitted.before:.4f} bare, {fitted.after:.4f} fused, "
        f"difference {found.difference:+.4f} (95 % interval {found.low:+.4f} to {found.high:+.4f}, p = {found.p_value:.4f})"
    )
    for kind, gain in fitted.kinds.items():
        left = ": turned off, these queries keep the first pass's order" if kind in fitted.fusion.off else ""
        click.echo(f"  {kind}: {gain.difference:+.4f} over first pass ({gain.low:+.4f} to {gain.high:+.4f}, {gain.queries} queries){left}")
    if not helps:
        reason = "loses more than chance would" if least is None else f"gains less than {least:g}"
        click.echo(f"not written: fusing {reason}; the manifest stays as it was")
    elif written:
        click.echo(f"written into {model / 'manifest.json'}")
