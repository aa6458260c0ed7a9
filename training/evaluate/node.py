"""A live node's index as a source of candidates: the queries that a shop's clients send, built by `cluster.queries`.

Invariant: every search goes around the index's own search pipeline, so that the first pass is measured as it is without re-ranking.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from opensearchpy import OpenSearch

from cluster import pipelines, queries
from cluster.embedding import VECTOR_FIELD, Embedder
from cluster.errors import ClusterError
from sidecar.encoding import Fields, FieldValue
from training.data.catalogue import ROLES
from training.evaluate.candidates import BM25, KNN, Scores

Body = dict[str, Any]
_CHUNK = 500
_COMPARED = 20
# An int8 model rounds a batch together: the same text has cosines of 0.995 and more to itself, in another batch.
_SAME_MODEL = 0.98


class Node:
    """One index. Without an embedder it has words alone."""

    def __init__(self, client: OpenSearch, index: str, embedder: Embedder | None) -> None:
        self._client = client
        self._index = index
        self._embedder = embedder
        self._roles = served_roles(client, index)
        self._fields: dict[str, Fields] = {}
        self._documents = int(client.count(index=index)["count"])
        self._cosine = None if embedder is None else self._agreement(embedder)

    @property
    def documents(self) -> int:
        return self._documents

    def describe(self) -> str:
        vectors = "" if self._cosine is None else f", {KNN} (its vectors are the embedder's to a cosine of {self._cosine:.3f})"
        return f"index {self._index}, {self._documents:,} documents: {BM25}{vectors}"

    def search(self, query: str, depth: int) -> Mapping[str, Scores]:
        return {name: self._hits(body, depth) for name, body in self._bodies(query, depth).items()}

    def score(self, query: str, doc_ids: Sequence[str]) -> Mapping[str, Scores]:
        bodies = self._bodies(query, len(doc_ids))
        words = {"must": [bodies[BM25]["query"]], "filter": [{"ids": {"values": list(doc_ids)}}]}
        found = {**bodies, BM25: {"query": {"bool": words}}}
        if KNN in bodies:
            found[KNN] = _nearest(bodies[KNN], doc_ids)
        return {name: self._hits(body, len(doc_ids)) for name, body in found.items()}

    def fields(self, doc_ids: Sequence[str]) -> Mapping[str, Fields]:
        unknown = [doc_id for doc_id in dict.fromkeys(doc_ids) if doc_id not in self._fields]
        for start in range(0, len(unknown), _CHUNK):
            answer = self._client.mget(index=self._index, body={"ids": unknown[start : start + _CHUNK]})
            self._fields.update({doc["_id"]: read_roles(doc["_source"], self._roles) for doc in answer["docs"] if doc.get("found")})
        return {doc_id: self._fields[doc_id] for doc_id in doc_ids if doc_id in self._fields}

    def _bodies(self, query: str, depth: int) -> dict[str, Body]:
        bodies = {BM25: queries.match(query)}
        if self._embedder is not None:
            bodies[KNN] = queries.knn(self._embedder.query(query))
            bodies[KNN]["query"]["knn"][VECTOR_FIELD]["k"] = depth
        return bodies

    def _hits(self, body: Body, size: int) -> Scores:
        asked = {**body, "size": size, "_source": False, "track_total_hits": False}
        answer = self._client.search(index=self._index, body=asked, params={"search_pipeline": pipelines.NO_PIPELINE})
        return {hit["_id"]: float(hit["_score"]) for hit in answer["hits"]["hits"]}

    def _agreement(self, embedder: Embedder) -> float:
        """The median cosine of the vectors that the index holds of some documents and those that the embedder makes of them now."""
        asked = {"size": _COMPARED, "query": {"exists": {"field": VECTOR_FIELD}}}
        answer = self._client.search(index=self._index, body=asked, params={"search_pipeline": pipelines.NO_PIPELINE})
        cosines = []
        for hit in answer["hits"]["hits"]:
            (vector,) = embedder.documents([hit["_source"]])
            body = _nearest(queries.knn(vector), [hit["_id"]])
            # Lucene's score of a cosine c is (1 + c) / 2.
            cosines.append(2 * self._hits(body, 1)[hit["_id"]] - 1)
        median = statistics.median(cosines) if cosines else 0.0
        if median < _SAME_MODEL:
            found = f"other vectors than this embedder's (cosine {median:.3f})" if cosines else "no vectors"
            raise ClusterError(
                f"{self._index} holds {found}: index it anew with this embedder, name the embedder that it was indexed with "
                "(--embedder), or leave kNN out (--no-vectors, or --mine bm25 for training lists)"
            )
        return median


def _nearest(body: Body, among: Sequence[str]) -> Body:
    """The neighbours among these documents alone."""
    body["query"]["knn"][VECTOR_FIELD]["filter"] = {"ids": {"values": list(among)}}
    return body


def served_roles(client: OpenSearch, index: str) -> Mapping[str, str]:
    """Role -> path in `_source`, as the index's own re-ranking reads it; roles by their own names where re-ranking is off."""
    for body in pipelines.get(client, index).values():
        for processor in body.get("request_processors", []):
            fields: Mapping[str, str] = processor.get("rerank_window", {}).get("fields", {})
            if fields:
                return fields
    return {role: role for role in ROLES}


def read_roles(source: Mapping[str, Any], roles: Mapping[str, str]) -> Fields:
    """The roles of a `_source`, empty ones left out."""
    found = {role: _values(source, path.split(".")) for role, path in roles.items()}
    return {role: value for role, value in found.items() if value not in (None, "", [])}


def _values(value: Any, path: Sequence[str]) -> FieldValue:
    """What lies at a path; of a list of objects, what lies there in each."""
    if isinstance(value, list):
        parts = [_values(item, path) for item in value]
        return [str(item) for part in parts for item in (part if isinstance(part, list) else [part]) if item not in (None, "")]
    if not path:
        return value if isinstance(value, str | int | float) else None
    return _values(value.get(path[0]), path[1:]) if isinstance(value, dict) else None
