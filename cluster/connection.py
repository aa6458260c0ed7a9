"""The ordinary OpenSearch client, as a shop would make it: it knows nothing of re-ranking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionError as Unreachable
from opensearchpy.exceptions import ConnectionTimeout, NotFoundError, OpenSearchException, SerializationError, SSLError, TransportError

from cluster.addresses import shown
from cluster.errors import NodeFailed, NoIndex

_TIMEOUT_S = 60.0
_TRANSIENT = (429, 502, 503, 504)
# What a cluster says to who may not look, or comes too often; it also fails (5xx). Any other refusal of `GET /` is not a cluster's.
_OF_A_CLUSTER = (401, 403, 429)


@contextmanager
def connected(url: str, *, timeout_s: float = _TIMEOUT_S) -> Iterator[OpenSearch]:
    """A client of the cluster for the length of the block.

    What the cluster refuses in it becomes NodeFailed, and NoIndex where it has no index of the name.
    """
    address = shown(url)
    with OpenSearch(url, timeout=timeout_s, max_retries=3, retry_on_timeout=True, retry_on_status=_TRANSIENT) as client:
        try:
            _greet(client, address)
            yield client
        # Both are kinds of Unreachable, but there is a cluster: starting one would not help.
        except SSLError as error:
            raise NodeFailed(
                f"no TLS connection to {address}: {error.error}. Where a CA of your own signed the certificate, name that CA's PEM file in "
                "the environment variable SSL_CERT_FILE; where the cluster speaks plain HTTP, give --url with http://"
            ) from error
        except ConnectionTimeout as error:
            raise NodeFailed(
                f"OpenSearch at {address} took longer than {timeout_s:g} s to answer, and again when asked again: look at its load and its "
                "log, then repeat the command (`rerank index` goes on where it stopped)"
            ) from error
        except Unreachable as error:
            raise NodeFailed(f"no OpenSearch answers at {address}: start one with `rerank node up`, or give --url") from error
        except OpenSearchException as error:
            if missing := _missing_index(error):
                raise NoIndex(missing) from error
            raise NodeFailed(f"OpenSearch at {address}: {error}") from error


def _greet(client: OpenSearch, address: str) -> None:
    """Raises NodeFailed where something else answers, and the client's own errors where nothing does, or a cluster refuses."""
    try:
        answer = client.info()
    except SerializationError as error:
        raise _another(address, "it answers no JSON") from error
    except TransportError as error:
        status = error.status_code
        if isinstance(status, int) and status < 500 and status not in _OF_A_CLUSTER:
            raise _another(address, f"it answers {status} to GET /") from error
        raise
    if not isinstance(answer, dict) or "version" not in answer:
        raise _another(address, "it names no version")


def _missing_index(error: OpenSearchException) -> str:
    """The name that stands for no index, where that is what the cluster says; else empty."""
    info = error.info if isinstance(error, NotFoundError) and isinstance(error.info, dict) else {}
    cause = info.get("error", {})
    return str(cause.get("index", "")) if isinstance(cause, dict) and cause.get("type") == "index_not_found_exception" else ""


def _another(address: str, sign: str) -> NodeFailed:
    return NodeFailed(
        f"no OpenSearch answers at {address}, but something else does ({sign}): give the cluster's own address by --url or OPENSEARCH_URL"
    )
