"""A live node's index as a source of candidates: the ordinary searches of `cluster.queries`, or those that the shop's own clients send.

Invariant: no search is re-ranked: ordinary ones go around the index's pipeline, a shop's own go through it with re-ranking off.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch

from cluster import pipelines, queries
from cluster.embedding import VECTOR_FIELD, Embedder
from cluster.errors import ClusterError
from cluster.search_template import SearchTemplate, Vectorize
from cluster.served_fields import read_roles, served_roles
from cluster.served_pages import PipelineName, ServedPage, doc_ids, served_pipeline
from sidecar.encoding import Fields
from training.evaluate.candidates import BM25, KNN, RRF, SIMILARITY, Scores

Body = dict[str, Any]
# Cosines of a query to documents that the index has no vectors of.
Similarities = Callable[[str, Mapping[str, Fields]], Scores]
_CHUNK = 500
_COMPARED = 20
# An int8 model rounds a batch together: the same text has cosines of 0.995 and more to itself, in another batch.
_SAME_MODEL = 0.98


@dataclass(frozen=True, slots=True)
class Searches:
    """How an index is asked: the first passes that models re-rank, a shop's own among them, whose `fields` say how documents read, and
    the pipelines whose pages are measured.

    Where there are searches of the shop's own, only the passes that are named run; otherwise all that the index can answer.
    """

    names: tuple[str, ...] = (RRF,)
    own: tuple[SearchTemplate, ...] = ()
    # None: the index's default pipeline.
    pipeline: str | None = None
    served: tuple[PipelineName, ...] = ()

    def runs(self, built_in: str) -> bool:
        """Whether BM25, or kNN, runs."""
        return not self.own or not {built_in, RRF}.isdisjoint(self.names)


class Node:
    """One index. Without an embedder it has words alone; `similarities` is for an index that does not hold the embedder's vectors."""

    def __init__(
        self,
        client: OpenSearch,
        index: str,
        embedder: Embedder | None,
        searches: Searches | None = None,
        similarities: Similarities | None = None,
    ) -> None:
        self._client = client
        self._index = index
        self._embedder = embedder
        self._searches = searches or Searches()
        self._roles = served_roles(client, index, self._searches.pipeline)
        self._fields: dict[str, Fields] = {}
        self._documents = int(client.count(index=index)["count"])
        self._similarities = similarities
        if self._searches.runs(BM25):
            self._check_words()
        self._cosine = None if embedder is None else self._agreement(embedder)
        self._served = {each.name: served_pipeline(client, index, each) for each in self._searches.served}

    @property
    def documents(self) -> int:
        return self._documents

    def describe(self) -> str:
        passes = [BM25] if self._searches.runs(BM25) else []
        if self._cosine is not None and self._searches.runs(KNN):
            passes.append(f"{KNN} (its vectors are the embedder's to a cosine of {self._cosine:.3f})")
        passes += [f"{template.name} (the shop's own search)" for template in self._searches.own]
        return f"index {self._index}, {self._documents:,} documents: {', '.join(passes)}"

    def search(self, query: str, depth: int) -> Mapping[str, Scores]:
        found = {name: self._hits(body, depth) for name, body in self._bodies(query, depth).items()}
        for template in self._searches.own:
            found[template.name] = _scores(template.search(self._client, self._index, query, depth, self._vector))
        return found

    def score(self, query: str, doc_ids: Sequence[str]) -> Mapping[str, Scores]:
        bodies = self._bodies(query, len(doc_ids))
        if BM25 in bodies:
            words = {"must": [bodies[BM25]["query"]], "filter": [{"ids": {"values": list(doc_ids)}}]}
            bodies[BM25] = {"query": {"bool": words}}
        if KNN in bodies:
            bodies[KNN] = _nearest(bodies[KNN], doc_ids)
        found = {name: self._hits(body, len(doc_ids)) for name, body in bodies.items()}
        for template in self._searches.own:
            found[template.name] = _scores(template.search_among(self._client, self._index, query, doc_ids, self._vector))
        if KNN not in found and self._embedder is not None:
            found[SIMILARITY] = self._similar(self._embedder, query, doc_ids)
        return found

    def fields(self, doc_ids: Sequence[str]) -> Mapping[str, Fields]:
        unknown = [doc_id for doc_id in dict.fromkeys(doc_ids) if doc_id not in self._fields]
        for start in range(0, len(unknown), _CHUNK):
            answer = self._client.mget(index=self._index, body={"ids": unknown[start : start + _CHUNK]})
            self._fields.update({doc["_id"]: read_roles(doc["_source"], self._roles) for doc in answer["docs"] if doc.get("found")})
        return {doc_id: self._fields[doc_id] for doc_id in doc_ids if doc_id in self._fields}

    @property
    def searches(self) -> tuple[str, ...]:
        """Searches of one request: words, where they run, and the shop's own."""
        return (*([BM25] if self._searches.runs(BM25) else []), *(template.name for template in self._searches.own))

    @property
    def pipelines(self) -> Mapping[str, int]:
        return {name: pipeline.deadline_ms for name, pipeline in self._served.items()}

    def page(self, search: str, query: str, size: int, pipeline: str | None) -> ServedPage:
        template = next((each for each in self._searches.own if each.name == search), None)
        if pipeline is not None:
            body = queries.match(query) if template is None else template.body(self._client, query, self._vector)
            return self._served[pipeline].page(self._client, self._index, body, size)
        if template is not None:
            return ServedPage(doc_ids(template.search(self._client, self._index, query, size, self._vector)))
        asked = {**queries.match(query, size), "_source": False}
        return ServedPage(doc_ids(self._client.search(index=self._index, body=asked, params={"search_pipeline": pipelines.NO_PIPELINE})))

    @property
    def _vector(self) -> Vectorize | None:
        return self._embedder.query if self._embedder is not None else None

    def _bodies(self, query: str, depth: int) -> dict[str, Body]:
        bodies = {BM25: queries.match(query)} if self._searches.runs(BM25) else {}
        if self._embedder is not None and self._searches.runs(KNN):
            bodies[KNN] = queries.knn(self._embedder.query(query))
            bodies[KNN]["query"]["knn"][VECTOR_FIELD]["k"] = depth
        return bodies

    def _similar(self, embedder: Embedder, query: str, doc_ids: Sequence[str]) -> Scores:
        if self._cosine is not None:
            return self._hits(_nearest(queries.knn(embedder.query(query)), doc_ids), len(doc_ids))
        return self._similarities(query, self.fields(doc_ids)) if self._similarities is not None else {}

    def _hits(self, body: Body, size: int) -> Scores:
        asked = {**body, "size": size, "_source": False, "track_total_hits": False}
        return _scores(self._client.search(index=self._index, body=asked, params={"search_pipeline": pipelines.NO_PIPELINE}))

    def _check_words(self) -> None:
        """Raise ClusterError where BM25 could find nothing, since the index has none of the fields that it looks into."""
        names = [field.partition("^")[0] for field in queries.FIELDS]
        if not self._client.field_caps(index=self._index, fields=",".join(names))["fields"]:
            raise ClusterError(
                f"{self._index} has none of the fields {', '.join(names)}, so bm25 and rrf find nothing: measure the search that your "
                "clients send (--first-pass NAME=FILE), or index the catalogue with `rerank index`"
            )

    def _agreement(self, embedder: Embedder) -> float | None:
        """The median cosine of the vectors that the index holds of some documents and those that the embedder makes of them now; None
        where they are others, or none, and nothing that was asked for needs them."""
        asked = {"size": _COMPARED, "query": {"exists": {"field": VECTOR_FIELD}}}
        answer = self._client.search(index=self._index, body=asked, params={"search_pipeline": pipelines.NO_PIPELINE})
        cosines = []
        for hit in answer["hits"]["hits"]:
            (vector,) = embedder.documents([hit["_source"]])
            body = _nearest(queries.knn(vector), [hit["_id"]])
            # Lucene's score of a cosine c is (1 + c) / 2.
            cosines.append(2 * self._hits(body, 1)[hit["_id"]] - 1)
        median = statistics.median(cosines) if cosines else 0.0
        if median >= _SAME_MODEL:
            return median
        if not self._searches.runs(KNN):
            return None
        found = f"other vectors than this embedder's (cosine {median:.3f})" if cosines else "no vectors"
        raise ClusterError(
            f"{self._index} holds {found}: index it anew with this embedder, name the embedder that it was indexed with "
            "(--embedder), or leave kNN out (--no-vectors, or --mine bm25 for training lists)"
        )


def _nearest(body: Body, among: Sequence[str]) -> Body:
    """The neighbours among these documents alone."""
    body["query"]["knn"][VECTOR_FIELD]["filter"] = {"ids": {"values": list(among)}}
    return body


def _scores(answer: Body) -> dict[str, float]:
    return {hit["_id"]: float(hit["_score"]) for hit in answer["hits"]["hits"]}
