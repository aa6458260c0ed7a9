"""The small shop that the plugin's tests search: its indices, its pipeline, and every kind of request that clients send.

Invariant: every reader's request here has more hits than one page, so that an order that was not restored is seen.
"""

from __future__ import annotations

from typing import Any

from opensearchpy import OpenSearch, helpers

Body = dict[str, Any]

INDEX = "shop"
OTHER = "shop-outlet"
ALIAS = "shop-all"
BARE = "shop-bare"
PIPELINE = "plugin-tests"
WINDOW = 20
DEADLINE_MS = 10_000
PRODUCTS = 60
FIELDS = {"title": "name", "brand": "attributes.maker", "category": "tags", "description": "text", "price": "price"}

MAPPING: Body = {
    "settings": {"index": {"number_of_shards": 2, "number_of_replicas": 0, "knn": True}},
    "mappings": {
        "properties": {
            "name": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
            "text": {"type": "text"},
            "sku": {"type": "keyword", "store": True},
            "group": {"type": "keyword"},
            "price": {"type": "float"},
            "tags": {"type": "keyword"},
            "attributes": {"properties": {"maker": {"type": "keyword"}, "size": {"type": "integer"}}},
            "reviews": {"type": "nested", "properties": {"stars": {"type": "integer"}, "words": {"type": "text"}}},
            "vector": {
                "type": "knn_vector",
                "dimension": 3,
                "method": {"name": "hnsw", "engine": "lucene", "space_type": "l2"},
            },
        }
    },
}


def product(number: int) -> Body:
    """A product whose text repeats the word a different number of times, so that scores differ."""
    return {
        "name": f"red shoe {number} " + "shoe " * (number % 7),
        "text": "comfortable " + "running " * (number % 5) + "x" * (number % 3),
        "sku": f"sku-{number:03}",
        "group": f"group-{number % 6}",
        "price": 10.5 + number,
        "tags": ["footwear", f"tag-{number % 4}"],
        "attributes": {"maker": f"maker {number % 3}", "size": 36 + number % 9},
        "reviews": [{"stars": number % 5, "words": "good shoe"}, {"stars": 4, "words": "fine"}],
        "vector": [number / 10, 1.0, 2.0],
    }


def create(client: OpenSearch, *, knn: bool = True) -> None:
    """The indices, freshly filled; without their default pipeline."""
    mapping = MAPPING if knn else without_vectors(MAPPING)
    for index in (INDEX, OTHER):
        client.indices.create(index=index, body=mapping)
    client.indices.create(index=BARE, body={"mappings": {"_source": {"enabled": False}, "properties": {"name": {"type": "text"}}}})
    actions = [{"_index": INDEX, "_id": f"p{number}", "_source": product(number)} for number in range(PRODUCTS)]
    actions += [{"_index": OTHER, "_id": f"o{number}", "_source": product(number)} for number in range(5)]
    actions += [{"_index": BARE, "_id": f"b{number}", "_source": {"name": f"red shoe {number}"}} for number in range(5)]
    helpers.bulk(client, [action if knn else dropping_vector(action) for action in actions], refresh=True)
    client.indices.put_alias(index=f"{INDEX},{OTHER}", name=ALIAS)


def without_vectors(mapping: Body) -> Body:
    """The same for a node without the k-NN plugin."""
    fields = {name: field for name, field in mapping["mappings"]["properties"].items() if name != "vector"}
    index = {name: value for name, value in mapping["settings"]["index"].items() if name != "knn"}
    return {"settings": {"index": index}, "mappings": {"properties": fields}}


def dropping_vector(action: Body) -> Body:
    """A bulk action without the vector."""
    return {**action, "_source": {name: value for name, value in action["_source"].items() if name != "vector"}}


def pipeline(url: str | list[str], **settings: Any) -> Body:
    """The pipeline of the tests; `settings` are those of `sidecar_rerank`."""
    return {
        "request_processors": [{"rerank_window": {"window": WINDOW, "fields": FIELDS}}],
        "response_processors": [{"sidecar_rerank": {"url": url, "deadline_ms": DEADLINE_MS, "failures": 1000, **settings}}],
    }


def put_pipeline(client: OpenSearch, body: Body, name: str = PIPELINE) -> None:
    """Store a pipeline."""
    client.transport.perform_request("PUT", f"/_search/pipeline/{name}", body=body)


def make_default(client: OpenSearch, name: str | None = PIPELINE) -> None:
    """Make the pipeline every index's default: clients send nothing."""
    for index in (INDEX, OTHER, BARE):
        client.indices.put_settings(index=index, body={"index.search.default_pipeline": name})


# For searches that a sidecar lets wait: the pipeline's own deadline would make the tests slow, and a short one would make others fail.
HASTE_MS = 40
IN_HASTE: Body = {"ext": {"sidecar_rerank": {"deadline_ms": HASTE_MS}}}
MATCH: Body = {"match": {"name": "red shoe"}}
HIGHLIGHT: Body = {"fields": {"name": {}}}
TWICE = "doc['price'].value * 2"

# What a reader's client sends: all of these are re-ranked.
READER_REQUESTS: dict[str, Body] = {
    "plain match": {"query": MATCH},
    "multi_match": {"query": {"multi_match": {"query": "red shoe", "fields": ["name", "text"]}}},
    "query_string": {"query": {"query_string": {"query": "name:(red AND shoe) -nothing", "default_field": "name"}}},
    "bool with filter": {
        "query": {"bool": {"must": [MATCH], "filter": [{"term": {"tags": "footwear"}}], "must_not": [{"term": {"tags": "none"}}]}}
    },
    "post filter": {"query": MATCH, "post_filter": {"terms": {"group": ["group-1", "group-2", "group-3"]}}},
    "function score": {"query": {"function_score": {"query": MATCH, "field_value_factor": {"field": "price", "modifier": "log1p"}}}},
    "nested": {"query": {"bool": {"must": [MATCH, {"nested": {"path": "reviews", "query": {"match": {"reviews.words": "good"}}}}]}}},
    "inner hits": {
        "query": {
            "bool": {"must": [MATCH, {"nested": {"path": "reviews", "inner_hits": {}, "query": {"match": {"reviews.words": "good"}}}}]}
        }
    },
    "size 3": {"query": MATCH, "size": 3},
    "page 2": {"query": MATCH, "from": 5, "size": 5},
    "page that straddles the window": {"query": MATCH, "from": 14, "size": 12},
    "page larger than the window": {"query": MATCH, "size": 30},
    "whole source": {"query": MATCH, "_source": True},
    "no source": {"query": MATCH, "_source": False},
    "one source field": {"query": MATCH, "_source": "sku"},
    "source includes": {"query": MATCH, "_source": ["sku", "attributes.size"]},
    "source wildcard": {"query": MATCH, "_source": ["attr*", "re*.stars"]},
    "source excludes ours": {"query": MATCH, "_source": {"excludes": ["name", "attributes", "vector"]}},
    "source excludes others": {"query": MATCH, "_source": {"excludes": ["vector", "reviews"]}},
    "source both ways": {"query": MATCH, "_source": {"includes": ["*"], "excludes": ["*.maker", "te*"]}},
    "source of no known field": {"query": MATCH, "_source": ["nothing"]},
    "stored fields": {"query": MATCH, "stored_fields": ["sku"]},
    "stored fields with source": {"query": MATCH, "stored_fields": ["sku", "_source"], "_source": ["sku"]},
    "docvalue fields": {"query": MATCH, "docvalue_fields": ["sku"], "_source": False},
    "fields": {"query": MATCH, "fields": ["sku", "attributes.*"], "_source": False},
    "script fields": {"query": MATCH, "script_fields": {"twice": {"script": TWICE, "ignore_failure": True}}},
    "highlight": {"query": MATCH, "highlight": HIGHLIGHT},
    "highlight without source": {"query": MATCH, "highlight": HIGHLIGHT, "_source": False},
    "aggregations": {"query": MATCH, "aggs": {"groups": {"terms": {"field": "group"}}, "price": {"avg": {"field": "price"}}}},
    "suggest": {"query": MATCH, "suggest": {"words": {"text": "shoo", "term": {"field": "name"}}}},
    "explain": {"query": MATCH, "explain": True, "size": 2},
    "version and sequence number": {"query": MATCH, "version": True, "seq_no_primary_term": True},
    "named queries": {"query": {"bool": {"must": [{"match": {"name": {"query": "red shoe", "_name": "words"}}}]}}},
    "min_score": {"query": MATCH, "min_score": 0.01},
    "track_total_hits off": {"query": MATCH, "track_total_hits": False},
    "track_total_hits 5": {"query": MATCH, "track_total_hits": 5},
    "sort by score alone": {"query": MATCH, "sort": ["_score"]},
    "dfs": {"query": MATCH, "size": 4},
    "few hits": {"query": {"bool": {"must": [MATCH], "filter": [{"terms": {"sku": ["sku-001", "sku-002", "sku-003"]}}]}}},
    "page behind the last hit": {
        "query": {"bool": {"must": [MATCH], "filter": [{"terms": {"sku": ["sku-001", "sku-002"]}}]}},
        "from": 10,
    },
    "no hits": {"query": {"match": {"name": "nothing"}}},
}

KNN_REQUESTS: dict[str, Body] = {
    "match and knn": {
        "query": {"bool": {"should": [MATCH, {"knn": {"vector": {"vector": [3.0, 1.0, 2.0], "k": 10}}}]}},
        "_source": {"excludes": ["vector"]},
    },
}

# What is not a reader's page by relevance: left as it is, with this reason in the statistics.
LEFT_ALONE: dict[str, tuple[Body, str]] = {
    "sorted by price": ({"query": MATCH, "sort": [{"price": "desc"}]}, "sort"),
    "sorted by score and price": ({"query": MATCH, "sort": ["_score", {"price": "asc"}]}, "sort"),
    "sorted by rising score": ({"query": MATCH, "sort": [{"_score": "asc"}]}, "sort"),
    "sorted with tracked scores": ({"query": MATCH, "sort": [{"price": "asc"}], "track_scores": True}, "sort"),
    "size 0": ({"query": MATCH, "size": 0, "aggs": {"groups": {"terms": {"field": "group"}}}}, "size_0"),
    "search_after": ({"query": MATCH, "sort": [{"price": "asc"}], "search_after": [20]}, "search_after"),
    "collapse": ({"query": MATCH, "collapse": {"field": "group"}}, "collapse"),
    "collapse with inner hits": (
        {"query": MATCH, "collapse": {"field": "group", "inner_hits": {"name": "more", "size": 4, "_source": ["sku"]}}},
        "collapse",
    ),
    "rescore": ({"query": MATCH, "rescore": {"window_size": 20, "query": {"rescore_query": {"term": {"tags": "tag-1"}}}}}, "rescore"),
    "terminate_after": ({"query": MATCH, "terminate_after": 5}, "terminate_after"),
    "stored_fields none": ({"query": MATCH, "stored_fields": "_none_"}, "stored_fields_none"),
    "script fields that may fail": ({"query": MATCH, "script_fields": {"twice": {"script": TWICE}}}, "script_fields"),
    "page beyond the window": ({"query": MATCH, "from": WINDOW, "size": 5}, "beyond_window"),
    "no query": ({}, "no_text"),
    "match_all": ({"query": {"match_all": {}}}, "no_text"),
    "filter only": ({"query": {"bool": {"filter": [{"match": {"name": "red shoe"}}]}}}, "no_text"),
    "suggest only": ({"suggest": {"words": {"text": "shoo", "term": {"field": "name"}}}}, "no_text"),
}
