"""The ordinary OpenSearch client, as a shop would make it: it knows nothing of re-ranking."""

from __future__ import annotations

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionError as Unreachable

from cluster.errors import NodeFailed

_TRANSIENT = (429, 502, 503, 504)


def connect(url: str) -> OpenSearch:
    """A client of the cluster; raises NodeFailed where nothing answers."""
    client = OpenSearch(url, timeout=60, max_retries=3, retry_on_timeout=True, retry_on_status=_TRANSIENT)
    try:
        client.info()
    except Unreachable as error:
        raise NodeFailed(f"no OpenSearch answers at {url}: start one with `rerank node up`, or give --url") from error
    return client
