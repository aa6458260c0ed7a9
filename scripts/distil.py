"""`rerank distil`: training sets without judgments."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts.data_options import role_option
from scripts.output import notes, progress_bar
from scripts.places import NEW_FOLDER

if TYPE_CHECKING:
    from training.distil.queries import GeneratedQuery
    from training.distil.teachers import Normalise


@click.group()
def command() -> None:
    """Make training sets without judgments: label queries by teachers, generate graded lists, score sets by trained networks."""


@command.command()
@click.option("--catalogue", "catalogues", multiple=True, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--preset", default=None, help="Columns of a known catalogue: esci, msrd, movielens, products.")
@role_option
@click.option("--id-column", default=None, help="The column of the document id; default: the preset's, or id.")
@click.option("--generate", type=click.IntRange(0), default=3000, show_default=True, help="Queries to generate from the catalogue.")
@click.option(
    "--queries",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Queries, one a line, or a .csv or .tsv with a column `query`; plain or .gz.",
)
@click.option("--sample", default=None, type=click.IntRange(min=1), help="Use only so many of the given queries, drawn at random.")
@click.option(
    "--exclude",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Queries never to use, in any spelling, one a line.",
)
@click.option(
    "--teacher", "teachers", multiple=True, metavar="NAME=WEIGHT", default=("e5-small=1", "bge-small=1", "bm25=0.5"), show_default=True
)
@click.option("--seed", default=3, show_default=True)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/teacher-vectors"),
    show_default=True,
    help="Vectors that were computed before, by network and text: what was cut off goes on.",
)
@click.option("--out", required=True, type=NEW_FOLDER, help="The training set's folder.")
def label(
    *,
    catalogues: tuple[Path, ...],
    preset: str | None,
    roles: tuple[str, ...],
    id_column: str | None,
    generate: int,
    files: tuple[Path, ...],
    sample: int | None,
    exclude: tuple[Path, ...],
    teachers: tuple[str, ...],
    seed: int,
    cache: Path,
    out: Path,
) -> None:
    """Label generated and given queries by a mixture of first passes.

    \b
    Example: rerank distil label --catalogue products.jsonl --role title=name --role brand=maker --generate 3000 --out runs/sets/shop
    """
    from training.data.catalogue import catalogue_columns, read_catalogue  # noqa: PLC0415 - pyarrow and torch are slow to import
    from training.distil.label import Sampling  # noqa: PLC0415
    from training.distil.queries import generate_queries, read_queries  # noqa: PLC0415
    from training.distil.sets import write_labelled  # noqa: PLC0415

    try:
        catalogue, report = read_catalogue(catalogues, catalogue_columns(preset, roles, id_column))
        click.echo(str(report), err=True)
        if not catalogue:
            raise ValueError(f"no document of {', '.join(map(str, catalogues))} was read: check --id-column, --preset and --role")
        refused = _canonical_lines(exclude)
        read = [query for path in files for query in read_queries(path)]
        given = _without(refused, read, "given")
        given = random.Random(seed).sample(given, min(sample or len(given), len(given)))
        made = generate_queries(catalogue, count=generate, seed=seed)
        queries = [*_without(refused, made, "generated"), *given]
        if not queries:
            raise ValueError("no query is left to label: raise --generate, or give --queries that --exclude does not name")
        with progress_bar("label", len(queries)) as advance:
            weights = _weights(teachers)
            count = write_labelled(out, catalogue, queries, weights, sampling=Sampling(), seed=seed, cache=cache, advance=advance)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} lists are in {out}")


@command.command()
@click.option("--lists", "count", type=click.IntRange(1), default=3000, show_default=True, help="Lists to generate.")
@click.option("--seed", default=1, show_default=True)
@click.option("--out", required=True, type=NEW_FOLDER, help="The training set's folder.")
def grammar(*, count: int, seed: int, out: Path) -> None:
    """Generate graded lists from the catalogue grammar: colours, sizes, accessories, negations and other traps of shop search.

    \b
    Example: rerank distil grammar --lists 3000 --out runs/sets/grammar
    """
    from training.distil.sets import write_grammar  # noqa: PLC0415 - torch is slow to import

    with progress_bar("generate", count) as advance:
        written = write_grammar(out, count=count, seed=seed, advance=advance)
    click.echo(f"{written} lists are in {out}")


@command.command()
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--teacher", "teachers", multiple=True, required=True, metavar="RUN=WEIGHT", help="A trained run's folder and its weight.")
@click.option("--own-weight", default=0.6, show_default=True, help="Weight of the teacher logits that the set already has.")
@click.option(
    "--normalise",
    type=click.Choice(["centre", "standard"]),
    default=None,
    show_default="centre with one --teacher, standard with several",
    help="How teachers' logits of a list are brought together: `centre` takes their mean away alone, so that wider ones count for more; "
    "`standard` also divides by their deviation, and gives the mixture the weighted mean of the deviations.",
)
@click.option("--limit", default=None, type=click.IntRange(min=1), help="Only the first so many lists; all by default.")
@click.option("--workers", default=0, show_default=True, help="Processes that prepare batches.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/teacher-scores"),
    show_default=True,
    help="Logits that were computed before, by network, query and document.",
)
@click.option("--out", required=True, type=NEW_FOLDER, help="The new training set's folder.")
def score(
    *,
    source: Path,
    teachers: tuple[str, ...],
    own_weight: float,
    normalise: Normalise | None,
    limit: int | None,
    workers: int,
    cache: Path,
    out: Path,
) -> None:
    """Write a training set again with the logits of trained networks as teachers.

    \b
    Example: rerank distil score runs/sets/shop --teacher runs/teacher-a=1 --teacher runs/teacher-b=1 --out runs/sets/shop-scored
    """
    from training.distil.sets import write_scored  # noqa: PLC0415 - torch is slow to import
    from training.training_set import read_lists  # noqa: PLC0415

    try:
        runs = {Path(name): weight for name, weight in _weights(teachers).items()}
        with progress_bar("score", len(read_lists(source)[:limit]) * len(runs)) as advance:
            count = write_scored(
                source, out, runs, own_weight=own_weight, normalise=normalise, cache=cache, limit=limit, workers=workers, advance=advance
            )
    # OSError: a file that is missing, or a base that cannot be fetched.
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} lists are in {out}")


def _canonical_lines(paths: Sequence[Path]) -> frozenset[str]:
    """The queries of files in canonical form."""
    from training.data.splits import canonical  # noqa: PLC0415 - ibis is slow to import
    from training.distil.queries import read_queries  # noqa: PLC0415

    return frozenset(canonical(query) for path in paths for query in read_queries(path)) - {""}


def _without(refused: frozenset[str], queries: Sequence[GeneratedQuery | str], kind: str) -> list[GeneratedQuery | str]:
    """The queries that are not refused in any spelling; says how many were."""
    from training.data.report import Report  # noqa: PLC0415
    from training.data.splits import canonical  # noqa: PLC0415 - ibis is slow to import

    kept = [query for query in queries if canonical(query if isinstance(query, str) else query.query) not in refused]
    excluded = len(queries) - len(kept)
    notes.print(str(Report(f"{kind} queries", len(queries), {"named by --exclude": excluded} if excluded else {})))
    return kept


def _weights(pairs: tuple[str, ...]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for pair in pairs:
        # A run's folder may have an equals sign in its name.
        name, _, weight = (pair, "", "") if "=" not in pair or Path(pair).is_dir() else pair.rpartition("=")
        try:
            weights[name] = float(weight or 1)
        except ValueError:
            raise click.BadParameter(f"{pair!r}: the weight is not a number") from None
        if not 0 < weights[name] < math.inf:
            raise click.BadParameter(f"{pair!r}: the weight is not above 0")
    return weights
