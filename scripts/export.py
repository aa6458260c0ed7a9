"""`rerank export`: a trained run -> a model directory that the sidecar serves, gated on what quantization costs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from scripts.output import json_option, notes, print_json, progress_bar
from scripts.places import NEW_FOLDER
from sidecar.errors import InvalidModel
from sidecar.manifest import read_manifest


@click.command()
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.option("--info", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Name, data and licences (YAML).")
@click.option("--out", required=True, type=NEW_FOLDER, help="The model directory to write.")
@click.option(
    "--gate",
    "gates",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A judged training set to compare float and int8 on; repeatable: each is compared on its own, and the worst loss counts.",
)
@click.option(
    "--allow-loss", type=float, default=None, metavar="NDCG", help="With --gate: accept a greater loss than 0.003; the card says so."
)
@click.option("--float", "keep_float", is_flag=True, help="Keep float weights: four times the size, two to three times the time.")
@click.option(
    "--quantization",
    type=click.Choice(("dynamic", "static")),
    default="dynamic",
    show_default=True,
    help="Measure activations' ranges batch by batch, or fix them beforehand on the set of --calibrate.",
)
@click.option(
    "--calibrate", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The training set for --quantization static."
)
@click.option("--document-tokens", type=click.IntRange(8, 480), help="Serve with another document budget than the run's.")
@json_option
def command(
    *,
    run: Path,
    info: Path,
    out: Path,
    gates: tuple[Path, ...],
    allow_loss: float | None,
    keep_float: bool,
    quantization: str,
    calibrate: Path | None,
    document_tokens: int | None,
    as_json: bool,
) -> None:
    """Write the model directory of a trained run: int8 graphs, tokenizer, manifest, model card.

    RUN is a run's folder, or a run file: then its base is exported as it is. A directory that is there is replaced only when the new one is
    finished and passed the gate. Without --gate int8 is not compared with float, and the card says so.

    \b
    Example: rerank export runs/quick --info recipes/quick.info.yaml --gate runs/sets/esci-validation --out var/models/fast
    """
    from training.export.directory import export, read_model_info  # noqa: PLC0415 - torch is slow to import
    from training.export.gate import GateFailed, gated_export  # noqa: PLC0415

    if (quantization == "static") != (calibrate is not None) or (keep_float and calibrate is not None):
        raise click.UsageError("--quantization static and --calibrate go together, and not with --float")
    _check_gates(gates, allow_loss)
    had_fusion = _has_fusion(out)
    try:
        description = read_model_info(info)
        if keep_float or not gates:
            manifest = export(run, out, description, int8=not keep_float, calibration=calibrate, max_document_tokens=document_tokens)
        else:
            manifest = gated_export(
                run,
                out,
                description,
                gates,
                allowed_loss=allow_loss,
                calibration=calibrate,
                max_document_tokens=document_tokens,
                progress=progress_bar,
            )
    except (ValueError, OSError, GateFailed) as error:
        raise click.ClickException(str(error)) from error
    if had_fusion and manifest.fusion is None:
        notes.print(f"the model that was in {out} had a fusion, which is gone: fit one anew with `rerank fuse`")
    if as_json:
        print_json(manifest)
        return
    for name, value in manifest.quality.items():
        click.echo(f"{name}: {value}")
    click.echo(f"{manifest.name} {manifest.version} is in {out}")


def _has_fusion(directory: Path) -> bool:
    """Whether there is a model that is served with a fusion."""
    with suppress(InvalidModel):
        return read_manifest(directory).fusion is not None
    return False


def _check_gates(gates: tuple[Path, ...], allow_loss: float | None) -> None:
    """Raise UsageError where a loss is allowed that nothing measures."""
    if allow_loss is not None and not gates:
        raise click.UsageError(
            f"--allow-loss {allow_loss:g} has nothing to measure a loss on: name a judged set with --gate, or leave it out"
        )
