"""`rerank bench`: the figures of docs/performance.md, measured on this machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from cluster.errors import InvalidCatalogue
from cluster.workspace import CHECKOUT
from scripts.output import json_option, notes, print_json, progress_bar

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
    default=CHECKOUT / "sidecar" / "models",
    help="Directory of model directories; default: the shipped ones.",
)
quick_option = click.option("--quick", is_flag=True, help="As small as it goes: shows that the command works, its figures mean nothing.")


def rounds_option(default: int) -> Callable[[Function], Function]:
    """How often everything is measured."""
    return click.option("--rounds", type=click.IntRange(1), default=default, show_default=True, help="Rounds that are counted.")


@click.group()
def command() -> None:
    """Measure on this machine: against peers, end to end, under load, at scale, in training.

    Each command prints a table and leaves it with its raw samples and a plot in a new folder below runs/bench. A benchmark
    wants the machine for itself: the load before it is printed with the table.

    \b
    Example: rerank bench peers --rounds 9
    """


@command.command()
@data_option
@models_option
@click.option("--profile", default="best", show_default=True, help="The cross-encoder that everybody runs.")
@click.option("--hits", type=click.IntRange(2), default=100, show_default=True, help="Documents of a request.")
@rounds_option(9)
@quick_option
@json_option
def peers(*, data: Path, models: Path, profile: str, hits: int, rounds: int, quick: bool, as_json: bool) -> None:
    """Our engine against other re-rankers: the same weights, the same texts, interleaved rounds.

    The peers (sentence-transformers, FlashRank, fastembed, infinity) are installed into environments of their own below var/peers.

    \b
    Example: rerank bench peers --rounds 9
    """
    from tokenizers import Tokenizer  # noqa: PLC0415

    from benchmarks import peers_bench  # noqa: PLC0415 - matplotlib and torch are slow to import
    from benchmarks.plain import make_variants  # noqa: PLC0415
    from benchmarks.workloads import Cutter, passages, product_hits, read_shop  # noqa: PLC0415
    from sidecar.manifest import read_manifest  # noqa: PLC0415

    hits, rounds = (10, 1) if quick else (hits, rounds)
    environments = _environments(peers_bench.ENVIRONMENTS)
    model = models / profile
    template = read_manifest(model).template.text_template()
    cutter = Cutter(Tokenizer.from_file(str(model / "tokenizer.json")))
    shop = read_shop(data / "esci")
    with tempfile.TemporaryDirectory(prefix="rerank-bench-") as folder:
        notes.print("making the forms of the network that the peers load ...")
        variants = make_variants(model, Path(folder))
        workloads = (
            product_hits(shop, template, cutter, hits=hits, queries=5),
            passages(shop, cutter, limit=variants.limit, hits=hits, queries=5),
        )
        field = peers_bench.field_of(variants, environments)
        settings = {"profile": profile, "documents": hits, "rounds": rounds}
        with progress_bar("scoring", peers_bench.requests_of(field, workloads, rounds)) as advance:
            report = peers_bench.bench_peers(field, workloads, rounds=rounds, quick=quick, settings=settings, advance=advance)
    _finish(report, peers_bench.draw(report.samples["ordinary"], workloads), as_json=as_json)


def _environments(names: tuple[str, ...]) -> dict[str, Any]:
    from benchmarks.environments import Environment  # noqa: PLC0415

    environments = {name: Environment(name) for name in names}
    for environment in environments.values():
        if not environment.is_current():
            notes.print(f"installing {environment.name} into {environment.home} ...")
        environment.make_current()
    return environments


def _finish(report: Any, draw: Any, *, as_json: bool) -> None:
    from benchmarks.report import write_report  # noqa: PLC0415

    folder = write_report(report, draw)
    if as_json:
        print_json(report)
    else:
        click.echo(report.markdown())
    notes.print(f"written to {folder}")
