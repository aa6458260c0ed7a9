"""Pages as clients see them: with the index's pipeline, without any, and as they have to be after re-ranking."""

from __future__ import annotations

from typing import Any

from opensearchpy import OpenSearch

from tests.integration.plugin.shop import INDEX, WINDOW, Body


def search(client: OpenSearch, body: Body, *, index: str = INDEX, **params: Any) -> Body:
    """An ordinary search."""
    return comparable(client.search(index=index, body=body, params=params))


def first_pass(client: OpenSearch, body: Body, *, index: str = INDEX, **params: Any) -> Body:
    """The same search without any pipeline."""
    return search(client, body, index=index, search_pipeline="_none", **params)


def comparable(page: Body, *others: str) -> Body:
    """The page without what differs from run to run, and without other keys."""
    return {key: value for key, value in page.items() if key not in {"took", "phase_took", *others}}


def upside_down(client: OpenSearch, body: Body, *, index: str = INDEX, **params: Any) -> Body:
    """What the client has to get when the sidecar turns the window upside down, made from first-pass pages alone."""
    start, size = body.get("from", 0), body.get("size", 10)
    page = first_pass(client, body, index=index, **params)
    wide = first_pass(client, {**body, "from": 0, "size": max(WINDOW, start + size)}, index=index, **params)
    hits = wide["hits"]["hits"]
    window = len(hits[:WINDOW])
    ranked = [{**hit, "_score": position + 0.5} for position, hit in enumerate(hits[:WINDOW])][::-1]
    # Behind the window the order stays; every score is moved by the same amount, see `without_tail_scores`.
    page["hits"]["hits"] = (ranked + hits[WINDOW:])[start : start + size]
    if hits:
        page["hits"]["max_score"] = window - 0.5
    return page


def without_tail_scores(page: Body, body: Body) -> Body:
    """The page without the scores of hits behind the window: floating-point sums are checked apart."""
    start = body.get("from", 0)
    hits = [{**hit, "_score": None} if start + position >= WINDOW else hit for position, hit in enumerate(page["hits"]["hits"])]
    return {**page, "hits": {**page["hits"], "hits": hits}}


def ids(page: Body) -> list[str]:
    """The ids in the order of the page."""
    return [hit["_id"] for hit in page["hits"]["hits"]]


def scores(page: Body) -> list[float]:
    """The scores in the order of the page."""
    return [hit["_score"] for hit in page["hits"]["hits"]]
