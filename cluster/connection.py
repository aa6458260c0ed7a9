"""The ordinary OpenSearch client, as a shop would make it: it knows nothing of re-ranking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionError as Unreachable
from opensearchpy.exceptions import OpenSearchException

from cluster.errors import NodeFailed

_TRANSIENT = (429, 502, 503, 504)


@contextmanager
def connected(url: str) -> Iterator[OpenSearch]:
    """A client of the cluster for the length of the block; what the cluster refuses in it becomes NodeFailed."""
    with OpenSearch(url, timeout=60, max_retries=3, retry_on_timeout=True, retry_on_status=_TRANSIENT) as client:
        try:
            client.info()
            yield client
        except Unreachable as error:
            raise NodeFailed(f"no OpenSearch answers at {url}: start one with `rerank node up`, or give --url") from error
        except OpenSearchException as error:
            raise NodeFailed(f"OpenSearch at {url}: {error}") from error
