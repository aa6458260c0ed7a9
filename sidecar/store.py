"""The document store: what models keep of documents (states, vectors) on disk (LMDB), memory-mapped, shared by a machine's processes.

Keys are digests of model and text, so a record never goes stale; it is only dropped for room, the least used first. Invariants: a
commit is whole or absent after a crash (LMDB's own promise); a record damaged on disk is reported as unknown, never returned; the
records' bytes, in whole pages, stay below the bound, and come down to one that was lowered, commit by commit; a store that cannot be
read costs speed and no answer.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import lmdb
import structlog

from sidecar.errors import StoreFailed
from sidecar.metrics import Metrics
from sidecar.store_writer import Writer

_PAGE = 4096
# Bytes of a record's key, node and entries in the order of use.
_OVERHEAD = 128
# A use is remembered to the hour: finer would write the index of uses with every look-up.
_USE_S = 3600
# Addresses, not memory or disk, for every process alike: a map cut to one's own bound could not follow a file that another one lets grow,
# or whose bound was lowered. The records are counted instead.
_MAP_BYTES = 1 << 40
# What a commit takes away beyond what it brings, where the bound was lowered: all at once would keep the lock for minutes.
_STEP_BYTES = 16 * 1024 * 1024
_TOTAL = b"bytes"
# Uses remembered in memory before they are written: a service that only reads writes them too.
_MAX_TOUCHED = 10_000

Value = TypeVar("Value")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Codec(Generic[Value]):
    """How values become records and back; `unpack` answers None for a damaged record."""

    pack: Callable[[Value], bytes]
    unpack: Callable[[bytes], Value | None]


class DocumentStore(Generic[Value]):
    """Opened once a process, after the fork, or StoreFailed. Reads from any thread; writes take LMDB's own lock, across processes."""

    def __init__(
        self,
        directory: Path,
        codec: Codec[Value],
        *,
        max_bytes: int,
        read_only: bool,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
        step_bytes: int = _STEP_BYTES,
    ) -> None:
        self._codec = codec
        self._name = directory.name
        self.read_only = read_only
        self._max_bytes = max_bytes
        self._metrics = metrics
        self._clock = clock
        self._step_bytes = step_bytes
        self._touched: set[bytes] = set()
        self._full = False
        self._lock = threading.Lock()
        try:
            self._environment = _opened(directory, read_only=read_only)
            self._records, self._uses, self._order, self._facts = (
                self._environment.open_db(name, create=not read_only) for name in (b"records", b"uses", b"order", b"facts")
            )
        except (lmdb.Error, OSError) as error:
            raise StoreFailed(f"the document store {self._name!r} cannot be opened: {error}") from error
        self._writer = None if read_only else Writer(self.put_many)
        metrics.store_bytes.labels(self._name).set(self.size_bytes)

    def get_many(self, keys: Sequence[bytes]) -> list[Value | None]:
        """The value of each key, None where unknown or damaged."""
        try:
            with self._environment.begin() as transaction:
                records = [transaction.get(key, db=self._records) for key in keys]
        except lmdb.Error:
            _log.exception("the document store cannot be read", store=self._name)
            return [None] * len(keys)
        found = [None if record is None else self._codec.unpack(bytes(record)) for record in records]
        damaged = sum(record is not None and value is None for record, value in zip(records, found, strict=True))
        if damaged:
            self._metrics.store_damaged.inc(damaged)
            _log.warning("damaged records in the document store", count=damaged)
        if not self.read_only:
            self._touch([key for key, value in zip(keys, found, strict=True) if value is not None])
        return found

    def put_many(self, items: Iterable[tuple[bytes, Value]]) -> None:
        """Keep values, in one commit; the least used leave where there is no room. Raises StoreFailed where they cannot be written."""
        try:
            total = self._commit(items)
        except lmdb.Error as error:
            raise StoreFailed(f"the document store {self._name!r} cannot be written: {error}") from error
        self._metrics.store_bytes.labels(self._name).set(total)
        if total > self._max_bytes:
            self.put_soon([])

    def _commit(self, items: Iterable[tuple[bytes, Value]]) -> int:
        """Write; how many bytes there are then."""
        with self._lock:
            touched, self._touched = self._touched, set()
        # A process that was killed while it read would keep all pages that it could see from being used again.
        self._environment.reader_check()
        with self._environment.begin(write=True) as transaction:
            before = total = self._total(transaction)
            for key, value in items:
                total += self._put(transaction, key, self._codec.pack(value))
            hour = struct.pack(">Q", int(self._clock() // _USE_S))
            for key in touched:
                self._use(transaction, key, hour)
            evicted = 0
            while total > max(self._max_bytes, before - self._step_bytes):
                total -= self._evict(transaction)
                evicted += 1
            transaction.put(_TOTAL, str(total).encode(), db=self._facts)
        self._tell_evicted(evicted)
        return total

    def _tell_evicted(self, count: int) -> None:
        """Once in a log, as a full store evicts from then on; always in the metrics."""
        if count and not self._full:
            self._full = True
            _log.warning("the document store is full: the least used records leave it (RERANK_STORE_MB)", store=self._name)
        self._metrics.store_evicted.labels(self._name).inc(count)

    def put_soon(self, items: Sequence[tuple[bytes, Value]]) -> None:
        """Keep values without waiting for the disk; a store that is only read keeps nothing."""
        if self._writer is not None:
            self._writer.put(items)

    def known(self, keys: Sequence[bytes]) -> list[bool]:
        """Whether there is a whole record of each key."""
        return [value is not None for value in self.get_many(keys)]

    def __len__(self) -> int:
        with self._environment.begin() as transaction:
            return int(transaction.stat(self._records)["entries"])

    @property
    def size_bytes(self) -> int:
        """About what all records take on disk."""
        with self._environment.begin() as transaction:
            return self._total(transaction)

    def close(self) -> None:
        """Write what is waiting and let go of the map. No other thread may be using the store."""
        if self._writer is not None:
            self._writer.close()
        self._environment.close()

    def _touch(self, keys: Sequence[bytes]) -> None:
        with self._lock:
            self._touched.update(keys)
            many = len(self._touched) >= _MAX_TOUCHED
        if many:
            self.put_soon([])

    def _total(self, transaction: lmdb.Transaction) -> int:
        return int(bytes(transaction.get(_TOTAL, b"0", db=self._facts)))

    def _put(self, transaction: lmdb.Transaction, key: bytes, record: bytes) -> int:
        old = transaction.get(key, db=self._records)
        transaction.put(key, record, db=self._records)
        self._use(transaction, key, struct.pack(">Q", int(self._clock() // _USE_S)))
        return _on_disk(record) - (0 if old is None else _on_disk(bytes(old)))

    def _use(self, transaction: lmdb.Transaction, key: bytes, hour: bytes) -> None:
        before = transaction.get(key, db=self._uses)
        if before == hour:
            return
        if before is not None:
            transaction.delete(bytes(before) + key, db=self._order)
        transaction.put(key, hour, db=self._uses)
        transaction.put(hour + key, b"", db=self._order)

    def _evict(self, transaction: lmdb.Transaction) -> int:
        with transaction.cursor(db=self._order) as cursor:
            if not cursor.first():
                return self._total(transaction)
            key = bytes(cursor.key())[8:]
            cursor.delete()
        transaction.delete(key, db=self._uses)
        record = transaction.pop(key, db=self._records)
        return 0 if record is None else _on_disk(bytes(record))


def _opened(directory: Path, *, read_only: bool) -> lmdb.Environment:
    if not read_only:
        directory.mkdir(parents=True, exist_ok=True)
    # readahead off: neighbours in the tree are no neighbours in a result list.
    environment = lmdb.open(
        str(directory),
        map_size=_MAP_BYTES,
        max_dbs=4,
        max_readers=512,
        readonly=read_only,
        readahead=False,
        create=not read_only,
    )
    if not read_only:
        _reach_the_last_page(environment, directory / "data.mdb")
    return environment


def _reach_the_last_page(environment: lmdb.Environment, file: Path) -> None:
    """Make the file as long as its pages are counted: to read a mapped page behind the end of a file kills the process (SIGBUS).

    A file that was cut off, by a copy that did not finish, then has empty pages, which LMDB calls corrupted. In a sound one they are free,
    and take no room on the disk.
    """
    # Under the writers' lock: the file of a process that writes meanwhile would be cut off here.
    with environment.begin(write=True), file.open("r+b") as opened:
        end = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        if opened.seek(0, os.SEEK_END) < end:
            opened.truncate(end)


def _on_disk(record: bytes) -> int:
    """About what a record takes: whole pages of its own, or, where two and more fit one, a place in a page that is half full."""
    size = len(record) + _OVERHEAD
    return 2 * size if size < _PAGE // 2 else -(-size // _PAGE) * _PAGE
