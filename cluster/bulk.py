"""Documents -> a cluster, a batch at a time: vectors added, retried while the cluster is busy, refusals named by line.

Flow: rows -> batches -> (drop what is there already) -> vectors -> _bulk.
Invariant: a document that the cluster refuses for what is in it is a bad row; anything else that fails ends the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException
from opensearchpy.helpers import streaming_bulk

from cluster.catalogue import BadRow, Document
from cluster.embedding import VECTOR_FIELD, Embedder
from cluster.errors import IndexingFailed

BATCH = 64
# A file of another kind than it seems would have millions.
MOST_NAMED = 1000
_REPLACES = "replaces an earlier row of the same id, which is left out"
_RETRIES = 6
_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 20


@dataclass(slots=True)
class Tally:
    """What became of the rows so far; the first `MOST_NAMED` bad ones are kept to be named."""

    indexed: int = 0
    already: int = 0
    left_out: int = 0
    bad: list[BadRow] = field(default_factory=list)

    def leave_out(self, rows: Sequence[BadRow]) -> None:
        """Count bad rows."""
        self.left_out += len(rows)
        self.bad += rows[: max(0, MOST_NAMED - len(self.bad))]


@dataclass(frozen=True, slots=True)
class BulkWriter:
    """Writes rows of one file into one index."""

    client: OpenSearch
    index: str
    file: Path
    embedder: Embedder | None
    resume: bool

    def write(self, rows: Iterable[Document | BadRow], tally: Tally, advance: Callable[[int], None]) -> None:
        """Index all rows; `advance` is told how many are done after each batch."""
        remaining = iter(rows)
        # Hashes, as a catalogue may have millions of ids. What an answer says of a document would not do: a request is sent again where
        # none came in time.
        there: set[int] = set()
        while batch := list(islice(remaining, BATCH)):
            tally.leave_out([row for row in batch if isinstance(row, BadRow)])
            for documents in _without_repeats([row for row in batch if isinstance(row, Document)]):
                self._write(documents, there, tally)
            advance(len(batch))

    def _write(self, documents: Sequence[Document], there: set[int], tally: Tally) -> None:
        """Documents of different ids; `there` holds those that earlier rows left in the index, and learns of these."""
        new = [document for document in documents if hash(document.id) not in there]
        again = [document for document in documents if hash(document.id) in there]
        missing = self._missing(new) if self.resume else new
        tally.already += len(new) - len(missing)
        refused = list(self._send([*missing, *again]))
        lines = {row.line for row in refused}
        replaced = [BadRow(self.file, each.line, _REPLACES) for each in again if each.line not in lines]
        tally.leave_out([*refused, *replaced])
        tally.indexed += len(missing) + len(again) - len(refused) - len(replaced)
        there |= {hash(document.id) for document in new if document.line not in lines}

    def _missing(self, documents: Sequence[Document]) -> list[Document]:
        if not documents:
            return []
        ids = [document.id for document in documents]
        answer = self.client.mget(index=self.index, body={"ids": ids}, params={"_source": "false"})
        found = {entry["_id"] for entry in answer["docs"] if entry.get("found")}
        return [document for document in documents if document.id not in found]

    def _send(self, documents: list[Document]) -> Iterator[BadRow]:
        if not documents:
            return
        try:
            answers = streaming_bulk(
                self.client,
                self._actions(documents),
                raise_on_error=False,
                max_retries=_RETRIES,
                initial_backoff=_BACKOFF_S,
                max_backoff=_MAX_BACKOFF_S,
            )
            lines = {document.id: document.line for document in documents}
            for accepted, answer in answers:
                if not accepted:
                    yield self._bad_row(lines[answer["index"]["_id"]], answer["index"])
        except OpenSearchException as error:
            raise IndexingFailed(f"{self.index} stopped taking documents; run the command again to go on from here: {error}") from error

    def _actions(self, documents: list[Document]) -> Iterator[dict[str, Any]]:
        vectors = self.embedder.documents([document.body for document in documents]) if self.embedder else None
        for position, document in enumerate(documents):
            body = {**document.body, VECTOR_FIELD: vectors[position]} if vectors else document.body
            yield {"_op_type": "index", "_index": self.index, "_id": document.id, "_source": body}

    def _bad_row(self, line: int, answer: dict[str, Any]) -> BadRow:
        error = answer.get("error", {})
        if answer["status"] != 400:
            raise IndexingFailed(f"{self.index} refused {answer['_id']}; run the command again to go on from here: {error}")
        cause = error.get("caused_by", {}).get("reason", "")
        return BadRow(self.file, line, f"{error.get('reason', 'refused')} {cause}".strip())


def _without_repeats(documents: Sequence[Document]) -> list[list[Document]]:
    """The documents in parts, none of which has an id twice: the n-th row of an id is in the n-th part, so that the last one is kept."""
    parts: list[list[Document]] = []
    rows: Counter[str] = Counter()
    for document in documents:
        if rows[document.id] == len(parts):
            parts.append([])
        parts[rows[document.id]].append(document)
        rows[document.id] += 1
    return parts
