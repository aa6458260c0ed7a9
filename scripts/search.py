"""`rerank search`: one query, two pages."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException

from cluster.compare import compare
from cluster.connection import connected
from cluster.embedding import Embedder, SidecarEmbedder
from cluster.judgments import read_judgments
from cluster.pages import side_by_side
from cluster.queries import SHAPES, Shape, client_body
from cluster.served_fields import served_roles
from scripts.output import index_option, json_option, print_json, tables_console, url_option


@click.command()
@click.argument("query")
@index_option
@url_option
@click.option("--shape", type=click.Choice(SHAPES), default="match", show_default=True, help="The request that the client sends.")
@click.option("--size", type=click.IntRange(1, 100), default=10, show_default=True, help="Hits on the page.")
@click.option("--sidecar", default="http://127.0.0.1:8080", show_default=True, help="Where query vectors come from (knn, hybrid).")
@click.option(
    "--judgments", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Show the grades of a judgments file beside the hits."
)
@json_option
def command(*, query: str, index: str, url: str, shape: Shape, size: int, sidecar: str, judgments: Path | None, as_json: bool) -> None:
    """Show a query's page without and with re-ranking, side by side.

    \b
    Example: rerank search "usb c charger without cable" --index products --shape hybrid
    """
    embedder: Embedder = SidecarEmbedder(sidecar)
    with connected(url) as client:
        title = _title_path(client, index)
        comparison = compare(client, index, query, client_body(shape, query, embedder=embedder, size=size), title)
    grades = {each.text: each.grades for each in read_judgments(judgments)}.get(query) if judgments else None
    if as_json:
        print_json(comparison if judgments is None else {**msgspec.to_builtins(comparison), "grades": grades or {}})
        return
    tables_console().print(side_by_side(comparison, grades))


def _title_path(client: OpenSearch, index: str) -> str:
    """Where a document's title lies: as the index's default pipeline reads it, else in the field of that name."""
    try:
        return served_roles(client, index).get("title", "title")
    except AuthorizationException:
        # Who may search an index may not always look at its settings.
        return "title"
