"""`rerank pretrain`: adapt a base to a catalogue's language before it learns to rank."""

from __future__ import annotations

from pathlib import Path

import click

from scripts.data_options import role_option
from scripts.places import NEW_FOLDER


@click.command()
@click.option("--base", default="minilm", show_default=True, help="A known base, a directory or a hub id.")
@click.option("--catalogue", "catalogues", multiple=True, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--preset", default=None, help="Columns of a known catalogue: esci, msrd, movielens, products.")
@role_option
@click.option("--id-column", default=None, help="The column of the document id; default: the preset's, or id.")
@click.option("--epochs", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True)
@click.option(
    "--new-words",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Extend the vocabulary by this many of the catalogue's frequent words.",
)
@click.option("--out", required=True, type=NEW_FOLDER, help="The run's folder.")
def command(
    *,
    base: str,
    catalogues: tuple[Path, ...],
    preset: str | None,
    roles: tuple[str, ...],
    id_column: str | None,
    epochs: float,
    new_words: int,
    out: Path,
) -> None:
    """Pre-train a base on the catalogue's text by masked words.

    \b
    Example: rerank pretrain --base minilm --catalogue products.jsonl --out runs/pretrain
    """
    from training.data.catalogue import catalogue_columns, read_catalogue  # noqa: PLC0415 - torch is slow to import
    from training.pretrain import PretrainSettings, pretrain  # noqa: PLC0415

    try:
        catalogue, report = read_catalogue(catalogues, catalogue_columns(preset, roles, id_column))
        click.echo(str(report), err=True)
        loss = pretrain(base, catalogue.values(), out, PretrainSettings(epochs=epochs, new_words=new_words))
    # OSError: a file that is missing, or what transformers says of an unknown base.
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"mean loss {loss:.3f}; the base is in {out / 'model'}")
