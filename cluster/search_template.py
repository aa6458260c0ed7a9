"""A shop's own search as the search template that its clients send: the cluster renders it, and what orders its hits becomes a first pass.

Invariant: query, filters and everything else that orders hits is the shop's own; which page of them it shows is the caller's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError, SerializationError

from cluster.errors import ClusterError, InvalidCatalogue

Body = dict[str, Any]
# The vector of a query's text.
Vectorize = Callable[[str], Sequence[float]]
# Clients call the query's text by one of these; `vector` is its vector, to be written as {{#toJson}}vector{{/toJson}}.
_TEXT_NAMES = ("query", "query_string", "q", "text")
_VECTOR = "vector"
_KNOWN = {*_TEXT_NAMES, _VECTOR, "size", "from"}
_VALUE = re.compile(r"\{\{\{?&?\s*([\w.]+)\s*\}?\}\}|\{\{#(?:toJson|join|url)[^}]*\}\}\s*([\w.]+)\s*\{\{/")
# What stands between these is there or not as the parameter is given or not.
_OPTIONAL = re.compile(r"\{\{#\s*(?!toJson|join|url)([\w.]+)\s*\}\}.*?\{\{/\s*\1\s*\}\}", re.DOTALL)
_DEFAULT = re.compile(r"\{\{\^\s*([\w.]+)\s*\}\}")
# What decides which hits there are, and their order. The rest says what is shown of them.
_ORDERS = ("query", "post_filter", "min_score", "indices_boost", "derived", "search_pipeline", "timeout")
# Searches that re-ranking leaves as they are: there is nothing to compare.
_LEFT_ALONE = ("sort", "collapse", "rescore", "search_after", "pit", "slice", "terminate_after")
# The plugin then leaves the search alone; a cluster without the plugin does not know the header, and nothing happens.
_NOT_RERANKED = {"X-Rerank": "off"}


@dataclass(frozen=True, slots=True)
class SearchTemplate:
    """A first pass of a name, and the Mustache template of the searches that it sends."""

    name: str
    source: str

    @property
    def needs_vector(self) -> bool:
        """Whether it asks for the query's vector."""
        return _VECTOR in _asked(self.source)

    def search(self, client: OpenSearch, index: str, query: str, size: int, vector: Vectorize | None) -> Body:
        """The answer of the cluster: the best `size` hits, without their documents, in the order before re-ranking.

        Raises ClusterError where it is no search that re-ranking changes, or does not render.
        """
        return self._answer(client, index, self._body(client, query, size, vector), size)

    def body(self, client: OpenSearch, query: str, vector: Vectorize | None) -> Body:
        """The search itself, for a pipeline of the caller's: raises ClusterError where it names one of its own."""
        body = self._body(client, query, 10, vector)
        if "search_pipeline" in body:
            raise ClusterError(f"first pass {self.name} names a `search_pipeline` of its own: leave it out, to see what others make of it")
        return body

    def search_among(self, client: OpenSearch, index: str, query: str, doc_ids: Sequence[str], vector: Vectorize | None) -> Body:
        """The same search's hits among these documents alone."""
        body = self._body(client, query, len(doc_ids), vector)
        own = [body["post_filter"]] if "post_filter" in body else []
        # A filter behind the query leaves its scores as they are, and goes with queries that stand in no other, such as `hybrid`.
        body["post_filter"] = {"bool": {"filter": [*own, {"ids": {"values": list(doc_ids)}}]}}
        return self._answer(client, index, body, len(doc_ids))

    def _body(self, client: OpenSearch, query: str, size: int, vector: Vectorize | None) -> Body:
        parameters: dict[str, Any] = {**dict.fromkeys(_TEXT_NAMES, query), "size": size, "from": 0}
        if self.needs_vector:
            if vector is None:
                raise ClusterError(f"first pass {self.name} asks for the query's vector: leave --no-vectors out, or name an --embedder")
            parameters[_VECTOR] = list(vector(query))
        try:
            rendered = client.render_search_template(body={"source": self.source, "params": parameters})["template_output"]
        except RequestError as error:
            raise ClusterError(f"first pass {self.name} does not render for the query {query!r}: {reason_of(error)}") from error
        except SerializationError as error:
            raise ClusterError(
                f'first pass {self.name} renders to no JSON for the query {query!r}: write "{{{{query}}}}", with quotes'
            ) from error
        left = [key for key in _LEFT_ALONE if key in rendered]
        if left:
            raise ClusterError(
                f"first pass {self.name} has `{left[0]}`: re-ranking leaves such a search as it is, so nothing can be measured"
            )
        if "query" not in rendered:
            raise ClusterError(f"first pass {self.name} has no `query`: it holds {', '.join(rendered) or 'nothing'}")
        return {key: rendered[key] for key in _ORDERS if key in rendered}

    def _answer(self, client: OpenSearch, index: str, body: Body, size: int) -> Body:
        asked = {**body, "size": size, "_source": False, "track_total_hits": False}
        try:
            answer: Body = client.search(index=index, body=asked, headers=_NOT_RERANKED)
        except RequestError as error:
            raise ClusterError(f"first pass {self.name} is refused by the cluster: {reason_of(error)}") from error
        if answer.get("ext", {}).get("rerank", {}).get("applied"):
            raise ClusterError(f"first pass {self.name} came back re-ranked: name a `search_pipeline` without `sidecar_rerank` in it")
        return answer


def read_search_template(name: str, path: Path) -> SearchTemplate:
    """The template in a file: a search body with `{{query}}` where the query's text goes, or the body of `PUT _scripts/NAME`.

    Raises InvalidCatalogue where it asks for neither the text nor the vector, which would be the same search for every query, or for
    what nobody gives.
    """
    try:
        template = SearchTemplate(name, _source(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidCatalogue(f"{path}: no search template: {error}") from error
    asked = _asked(template.source)
    if not asked & {*_TEXT_NAMES, _VECTOR}:
        raise InvalidCatalogue(
            f"{path}: no place for the query: write {{{{query}}}} for its text, or {{{{#toJson}}}}vector{{{{/toJson}}}} for its vector"
        )
    if unknown := asked - _KNOWN - {*_DEFAULT.findall(template.source)}:
        raise InvalidCatalogue(
            f"{path}: {{{{{min(unknown)}}}}} would be empty: there are {', '.join(sorted(_KNOWN))}. Write the value that most clients send"
        )
    return template


def _source(text: str) -> str:
    """The template itself, where the file is the body of `PUT _scripts/NAME` or of `_search/template`."""
    try:
        stored = json.loads(text)
    except json.JSONDecodeError:
        return text
    if isinstance(stored, Mapping) and "query" not in stored:
        inner = stored.get("script", stored)
        source = inner.get("source") if isinstance(inner, Mapping) else None
        if source is not None:
            return source if isinstance(source, str) else json.dumps(source)
    return text


def _asked(source: str) -> set[str]:
    """The parameters whose values it writes; those of optional parts, which stay away without their parameter, left out."""
    always = _OPTIONAL.sub(lambda part: part[0] if part[1] in _KNOWN else "", source)
    return {name for names in _VALUE.findall(always) for name in names if name}


def reason_of(error: RequestError) -> str:
    """What the cluster says of a refusal's cause."""
    info = error.info if isinstance(error.info, Mapping) else {}
    causes = info.get("error", {}).get("root_cause") or [{}]
    return str(causes[0].get("reason") or error)
