"""`rerank bench`: the figures of docs/performance.md, measured on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from scripts.bench_options import data_option, environments_of, finish, models_option, quick_option, rounds_option
from scripts.output import json_option, notes, progress_bar


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
    environments = environments_of(peers_bench.ENVIRONMENTS)
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
    finish(report, peers_bench.draw(report.samples["ordinary"], workloads), as_json=as_json)


@command.command()
@data_option
@models_option
@click.option("--profile", default="fast", show_default=True, help="The profile that re-ranks.")
@click.option("--window", "windows", type=click.IntRange(2, 500), multiple=True, default=(20, 50, 100, 200), show_default=True)
@click.option("--queries", type=click.IntRange(1), default=150, show_default=True, help="Judged queries that are searched for.")
@rounds_option(3)
@quick_option
@json_option
def search(
    *, data: Path, models: Path, profile: str, windows: tuple[int, ...], queries: int, rounds: int, quick: bool, as_json: bool
) -> None:
    """What a searcher waits for: the real node and the unchanged client, with and without re-ranking.

    \b
    Example: rerank bench search --profile fast
    """
    from benchmarks import search as measurement  # noqa: PLC0415 - matplotlib is slow to import
    from benchmarks.stack import running_stack  # noqa: PLC0415
    from benchmarks.workloads import read_shop  # noqa: PLC0415

    windows, queries, rounds = (windows[:1], 3, 1) if quick else (windows, queries, rounds)
    asked = [judged.text for judged in read_shop(data / "esci").judged[:queries]]
    settings = {"profile": profile, "queries": len(asked), "rounds": rounds, "windows": list(windows)}
    with (
        running_stack(data / "esci", models, profile) as stack,
        progress_bar("searching", measurement.searches_of(asked, windows, rounds)) as advance,
    ):
        report = measurement.bench_search(stack, asked, windows=windows, rounds=rounds, quick=quick, settings=settings, advance=advance)
    finish(report, measurement.draw(report, windows), as_json=as_json)


@command.command()
@data_option
@models_option
@click.option("--profile", default="fast", show_default=True, help="The profile that re-ranks.")
@click.option("--window", type=click.IntRange(2, 500), default=100, show_default=True, help="Hits that are re-ranked.")
@click.option("--against", type=click.Choice(["nothing", "infinity"]), default="nothing", show_default=True, help="Load a peer as well.")
@click.option("--start", type=click.FloatRange(0.1), default=2.0, show_default=True, help="Searches a second of the first step.")
@click.option("--factor", type=click.FloatRange(1.01), default=1.25, show_default=True, help="From one step to the next.")
@click.option("--seconds", type=click.FloatRange(1), default=20.0, show_default=True, help="Length of a step.")
@click.option("--limit-ms", type=click.FloatRange(1), default=100.0, show_default=True, help="The p99 that the rate must keep.")
@click.option("--deadline-ms", type=click.IntRange(1), default=200, show_default=True, help="The pipeline's deadline.")
@quick_option
@json_option
def load(
    *,
    data: Path,
    models: Path,
    profile: str,
    window: int,
    against: str,
    start: float,
    factor: float,
    seconds: float,
    limit_ms: float,
    deadline_ms: int,
    quick: bool,
    as_json: bool,
) -> None:
    """Searches a second at a p99 of 100 ms, in an open loop, and what happens at ten times that rate.

    Queries without any repetition, and repeating as a real shop's items do. The load tool is Locust, in an environment of its own.
    With --against infinity the sidecar alone and infinity are loaded as well, with requests to re-rank the same texts by the same file.

    \b
    Example: rerank bench load --profile fast
    """
    from benchmarks import load_bench  # noqa: PLC0415 - matplotlib is slow to import
    from benchmarks.load import Stairs  # noqa: PLC0415
    from benchmarks.machine import this_machine  # noqa: PLC0415
    from benchmarks.workloads import read_shop  # noqa: PLC0415

    stairs = Stairs(start=start, factor=factor, seconds=seconds, limit_ms=limit_ms)
    if quick:
        stairs = Stairs(start=1.0, most_steps=1, seconds=4.0, limit_ms=60_000)
    environments_of(("locust",))
    machine = this_machine()
    shop = read_shop(data / "esci")
    patterns = load_bench.query_patterns(shop, data)
    settings = {"profile": profile, "window": window, "deadline ms": deadline_ms, "seconds a step": stairs.seconds}
    outcomes = load_bench.climb_searches(
        data / "esci", models, profile, patterns, stairs, window=window, deadline_ms=deadline_ms, told=_tell_step
    )
    if against == "infinity":
        infinity = environments_of(("infinity",))["infinity"]
        outcomes |= load_bench.climb_services(shop, models / profile, infinity, patterns, stairs, documents=window, told=_tell_step)
    report = load_bench.load_report(outcomes, stairs, machine, settings, quick=quick)
    finish(report, load_bench.draw(outcomes, stairs), as_json=as_json)


@command.command()
@models_option
@click.option("--profile", default="best", show_default=True, help="The cross-encoder whose layers are varied.")
@rounds_option(15)
@quick_option
@json_option
def scale(*, models: Path, profile: str, rounds: int, quick: bool, as_json: bool) -> None:
    """What scoring costs against window, text length, layers and cores, and its share of the machine's int8 peak.

    \b
    Example: rerank bench scale --profile best
    """
    from benchmarks import scale as measurement  # noqa: PLC0415 - matplotlib is slow to import

    model = models / profile
    plan = measurement.plan_of(model)
    if quick:
        rounds, plan = 1, measurement.small(plan)
    with progress_bar("scoring", len(plan.points()) * (rounds + 1)) as advance:
        report = measurement.bench_scale(
            model, plan, rounds=rounds, quick=quick, settings={"profile": profile, "rounds": rounds}, advance=advance
        )
    finish(report, measurement.draw(report), as_json=as_json)


@command.command()
@data_option
@click.option("--base", default="minilm", show_default=True, help="What both start from: a known base's name or a directory.")
@click.option("--steps", type=click.IntRange(1), default=30, show_default=True, help="Optimiser steps of a run.")
@click.option("--lists", "lists_per_batch", type=click.IntRange(1), default=16, show_default=True, help="Lists of a batch.")
@click.option("--hits", type=click.IntRange(2), default=16, show_default=True, help="Hits of a list.")
@click.option("--bf16/--float32", default=True, show_default=True, help="Precision of the products.")
@rounds_option(3)
@quick_option
@json_option
def train(
    *, data: Path, base: str, steps: int, lists_per_batch: int, hits: int, bf16: bool, rounds: int, quick: bool, as_json: bool
) -> None:
    """Pairs a minute of our trainer and of sentence-transformers' CrossEncoderTrainer, on the same lists with the same settings.

    \b
    Example: rerank bench train --rounds 3
    """
    from tokenizers import Tokenizer  # noqa: PLC0415

    from benchmarks import train_bench  # noqa: PLC0415 - torch is slow to import
    from benchmarks.workloads import Cutter, read_shop  # noqa: PLC0415
    from training.bases import base_directory  # noqa: PLC0415
    from training.run_file import DEFAULT_TEMPLATE  # noqa: PLC0415

    if quick:
        steps, lists_per_batch, hits, rounds = 1, 2, 4, 1
    peer = environments_of(("sentence-transformers",))["sentence-transformers"]
    folder = Path(base_directory(base)).resolve()
    template = DEFAULT_TEMPLATE.text_template()
    cutter = Cutter(Tokenizer.from_file(str(folder / "tokenizer.json")))
    plan = train_bench.TrainingPlan(
        base=str(folder),
        lists=train_bench.lists_of(read_shop(data / "esci"), template, cutter, hits=hits, batch=lists_per_batch, steps=steps),
        steps=steps,
        lists_per_batch=lists_per_batch,
        max_query_tokens=template.max_query_tokens,
        max_document_tokens=template.max_document_tokens,
        bf16=bf16,
    )
    settings = {"base": base, "rounds": rounds, "lists": len(plan.lists)}
    with progress_bar("training", 2 * rounds) as advance:
        report = train_bench.bench_train(plan, peer, rounds=rounds, quick=quick, settings=settings, advance=advance)
    finish(report, train_bench.draw(report, plan), as_json=as_json)


@command.command()
def publish() -> None:
    """Copy the newest tables of each benchmark into docs/performance.md, word for word; quick runs are left out.

    \b
    Example: rerank bench publish
    """
    from benchmarks.publish import PAGE, publish  # noqa: PLC0415

    click.echo(f"{PAGE}: {', '.join(publish())}")


def _tell_step(name: str, step: Any) -> None:
    notes.print(f"{name}: {step.rate:.1f} a second, p99 {step.p99_ms:.0f} ms, {step.reranked} of {step.sent} re-ranked")
