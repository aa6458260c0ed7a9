"""`rerank demo`: the whole path in one command."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from opensearchpy import OpenSearch

from cluster import pipelines
from cluster.catalogue import FieldNames, count_rows
from cluster.compare import Comparison, Summary, compare, fail_unless_reranked
from cluster.connection import connected
from cluster.demo import Catalogue, find_catalogue, most_changed, send_judged, summaries
from cluster.embedding import SidecarEmbedder
from cluster.indexing import Job, index_catalogue
from cluster.judgments import JudgedQuery, read_judgments
from cluster.node import DEFAULT_NAME
from cluster.pages import figures, not_applied, side_by_side
from cluster.queries import Shape, match
from cluster.workspace import CHECKOUT
from scripts.index import mapping_file
from scripts.output import json_option, notes, print_json, progress_bar, tables_console
from scripts.pipelines import definition_file
from scripts.up import name_option, port_option, sidecar_port_option, start

_KINDS = ("products", "content")


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=CHECKOUT / "samples",
    help="Folder with products.jsonl[.gz] or .csv, and judgments.json[.gz]; default: the sample catalogue.",
)
@click.option("--kind", type=click.Choice(_KINDS), default=_KINDS[0], show_default=True, help="Which mapping and pipeline.")
@click.option(
    "--pages", type=click.IntRange(0), default=3, show_default=True, help="How many pages to print: those whose NDCG@10 changed most."
)
@click.option("--query", "queries", multiple=True, help="Print this query's pages as well; repeatable.")
@click.option(
    "--deadline-ms",
    type=click.IntRange(1),
    default=2000,
    show_default=True,
    help="The pipeline's total deadline: generous here, to show orders on a busy machine too; in a shop, 200.",
)
@click.option("--no-vectors", is_flag=True, help="Index without vectors, send no knn queries.")
@name_option
@port_option
@sidecar_port_option
@json_option
def command(
    *,
    data: Path,
    kind: str,
    pages: int,
    queries: tuple[str, ...],
    deadline_ms: int,
    no_vectors: bool,
    name: str,
    port: int,
    sidecar_port: int,
    as_json: bool,
) -> None:
    """Show the whole path on this machine and leave it running.

    Starts OpenSearch and the sidecar, indexes a catalogue, makes the re-ranking pipeline the index's default, sends ordinary
    queries with an unchanged client and prints both pages. What is there already is not done again.

    \b
    Example: rerank demo --data ../shared/data/esci
    """
    catalogue = find_catalogue(data)
    judged = read_judgments(catalogue.judgments) if catalogue.judgments else []
    node, service = start(name, port, sidecar_port)
    embedder = SidecarEmbedder(service.url)
    index = _alias(data)
    body = pipelines.read_pipeline(definition_file(kind), {"url": service.url, "deadline_ms": deadline_ms})
    with connected(node.url) as client:
        _index(client, catalogue, index, kind, None if no_vectors else embedder)
        switched = pipelines.put(client, index, f"rerank-{index}", body)
        notes.print(f"{switched.pipeline} is the default pipeline of {index}: the queries below do not mention it")
        shapes: list[Shape] = ["match"] if no_vectors else ["match", "hybrid"]
        with progress_bar("sending queries both ways", len(judged) * len(shapes)) as advance:
            sent = send_judged(client, index, judged=judged, shapes=shapes, embedder=embedder, advance=advance)
        asked = [compare(client, index, query, match(query)) for query in queries]
    found = summaries(sent, judged, catalogue.test_queries)
    if as_json:
        pages_asked = {"pages": asked} if asked else {}
        print_json({"node": node, "sidecar": service, "index": index, "summaries": found, **pages_asked})
    else:
        _print(asked, most_changed(sent["match"], judged, pages), judged)
        _print_figures(found, [each for comparisons in sent.values() for each in comparisons], catalogue)
        click.echo(f"\nLeft running: OpenSearch at {node.url}, the sidecar at {service.url}. Stop both: {_stop(name)}")
        click.echo(f'Your own query: {_door()} search "..." --index {index} --url {node.url} --sidecar {service.url}')
    fail_unless_reranked([*asked, *sent["match"]])


def _stop(name: str) -> str:
    return "make down" if name == DEFAULT_NAME else f"{_door()} down --name {name}"


def _door() -> str:
    """How this shell calls `rerank`: by name where it is on the path, else where it is installed."""
    return "rerank" if shutil.which("rerank") else os.path.relpath(Path(sys.executable).with_name("rerank"))


def _alias(data: Path) -> str:
    folder = data.resolve()
    return "products" if folder == CHECKOUT / "samples" else re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")


def _index(client: OpenSearch, catalogue: Catalogue, index: str, kind: str, embedder: SidecarEmbedder | None) -> None:
    job = Job(catalogue.products, index, mapping_file(kind), FieldNames(), embedder, remove_old=True)
    with progress_bar(f"indexing {catalogue.products.name}", count_rows(catalogue.products)) as advance:
        outcome = index_catalogue(client, job, advance)
    done = "holds the catalogue already" if outcome.unchanged else f"{outcome.indexed} indexed, {outcome.left_out} left out"
    notes.print(f"{index} -> {outcome.index}: {done}")


def _print(asked: Sequence[Comparison], changed: Sequence[Comparison], judged: Sequence[JudgedQuery]) -> None:
    console = tables_console()
    grades = {query.text: query.grades for query in judged}
    for comparison in asked:
        console.print(side_by_side(comparison, grades.get(comparison.query)))
    if changed:
        console.print(f"The {len(changed)} pages whose NDCG@10 changed most, for better or worse (request: match)\n")
    for comparison in changed:
        console.print(side_by_side(comparison, grades[comparison.query]))


def _print_figures(found: Mapping[str, Summary], comparisons: Sequence[Comparison], catalogue: Catalogue) -> None:
    if not found:
        click.echo(f"{catalogue.products.parent} has no judgments.json: no figures. Ask with --query")
        return
    console = tables_console()
    console.print(figures(found))
    if sentence := not_applied(comparisons):
        console.print(sentence, style="bold")
