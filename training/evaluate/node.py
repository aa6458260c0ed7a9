"""A live node's index as a source of candidates: the queries that a shop's clients send, built by `cluster.queries`.

Invariant: every search goes around the index's own search pipeline, so that the first pass is measured as it is without re-ranking.
"""

from __future__ import annotations

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
# Lucene's score of a cosine c is (1 + c) / 2; int8 models round differently in other batches.
_SAME_VECTOR = 0.99


class Node:
    """One index. Without an embedder it has words alone."""

    def __init__(self, client: OpenSearch, index: str, embedder: Embedder | None) -> None:
        self._client = client
        self._index = index
        self._embedder = embedder
        self._roles = served_roles(client, index)
        self._fields: dict[str, Fields] = {}
        self._documents = int(client.count(index=index)["count"])
        if embedder is not None:
            self._check_vectors(embedder)

    @property
    def documents(self) -> int:
        return self._documents

    def describe(self) -> str:
        passes = f"{BM25}, {KNN}" if self._embedder else BM25
        return f"index {self._index}, {self._documents:,} documents: {passes}"

    def search(self, query: str, depth: int) -> Mapping[str, Scores]:
        return {name: self._hits(body, depth) for name, body in self._bodies(query, depth).items()}

    def score(self, query: str, doc_ids: Sequence[str]) -> Mapping[str, Scores]:
        among = {"ids": {"values": list(doc_ids)}}
        bodies = self._bodies(query, len(doc_ids))
        found: dict[str, Body] = {BM25: {"query": {"bool": {"must": [bodies[BM25]["query"]], "filter": [among]}}}}
        if KNN in bodies:
            found[KNN] = bodies[KNN]
            found[KNN]["query"]["knn"][VECTOR_FIELD]["filter"] = among
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

    def _check_vectors(self, embedder: Embedder) -> None:
        """Raise unless the embedder gives a document's text the vector that the index holds for it."""
        answer = self._client.search(index=self._index, body={"size": 1}, params={"search_pipeline": pipelines.NO_PIPELINE})
        for hit in answer["hits"]["hits"]:
            (vector,) = embedder.documents([hit["_source"]])
            body = queries.knn(vector)
            body["query"]["knn"][VECTOR_FIELD]["filter"] = {"ids": {"values": [hit["_id"]]}}
            score = self._hits(body, 1).get(hit["_id"])
            if score is None or score < _SAME_VECTOR:
                found = "no vectors" if score is None else f"other vectors (similarity {2 * score - 1:.3f})"
                raise ClusterError(
                    f"{self._index} holds {found} than this embedder's: index it anew with this embedder, "
                    "name the embedder that it was indexed with (--embedder), or leave kNN out (--no-vectors)"
                )


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
