"""The document store keeps whole records within its bound, and never returns a damaged one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from functools import cache
from pathlib import Path

import lmdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sidecar.encoding import DocumentTokens
from sidecar.errors import StoreFailed
from sidecar.metrics import Metrics
from sidecar.states import STATES, DocumentStates, pack, unpack
from sidecar.store import Codec, DocumentStore
from tests.sidecar.fakes import FakeClock


def some_states(seed: int = 0, length: int = 12, width: int = 8) -> DocumentStates:
    random = np.random.default_rng(seed)
    tokens = DocumentTokens(random.integers(0, 30000, length - 1), min(3, length - 1))
    states = random.integers(-127, 128, (length, width), dtype=np.int8)
    return DocumentStates(tokens, states, random.random(length, dtype=np.float32))


def a_page_of(seed: int) -> DocumentStates:
    """States whose record takes one page."""
    return some_states(seed, length=200)


def same(one: DocumentStates | None, other: DocumentStates) -> bool:
    return one is not None and pack(one) == pack(other)


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


@pytest.fixture
def open_store(tmp_path):
    opened = []

    def begin(*, pages: int = 1000, read_only: bool = False, clock=None, step: int = 1000):
        settings = {"max_bytes": pages * 4096, "read_only": read_only, "step_bytes": step * 4096}
        store = DocumentStore(tmp_path / "store", STATES, metrics=Metrics(), clock=clock or FakeClock(), **settings)
        opened.append(store)
        return store

    yield begin
    for store in opened:
        store.close()


@given(st.integers(1, 200), st.integers(1, 64), st.integers(0, 9))
def test_a_record_is_read_back_as_it_was_written(length, width, seed):
    states = some_states(seed, length, width)
    assert same(unpack(pack(states)), states)


@given(st.data())
def test_a_record_with_any_byte_changed_or_cut_is_not_read(data):
    record = bytearray(pack(some_states()))
    place = data.draw(st.integers(0, len(record) - 1))
    assert unpack(bytes(record[:place])) is None
    record[place] ^= data.draw(st.integers(1, 255))
    assert unpack(bytes(record)) is None


def test_states_are_found_by_their_keys(open_store):
    store = open_store()
    store.put_many([(key(1), some_states(1)), (key(2), some_states(2))])
    found = store.get_many([key(2), key(9), key(1)])
    assert same(found[0], some_states(2))
    assert found[1] is None
    assert same(found[2], some_states(1))


def test_what_is_put_for_soon_is_there_after_the_close(open_store, tmp_path):
    store = DocumentStore(tmp_path / "store", STATES, max_bytes=10**7, read_only=False, metrics=Metrics())
    store.put_soon([(key(1), some_states(1))])
    store.close()
    assert same(open_store().get_many([key(1)])[0], some_states(1))


def test_uses_are_kept_for_the_next_start(open_store, tmp_path):
    clock = FakeClock()
    store = DocumentStore(tmp_path / "store", STATES, max_bytes=2 * 4096, read_only=False, metrics=Metrics(), clock=clock)
    store.put_many([(key(1), a_page_of(1)), (key(2), a_page_of(2))])
    clock.now += 7200
    store.get_many([key(1)])
    store.close()
    again = open_store(pages=2, clock=clock)
    again.put_many([(key(3), a_page_of(3))])
    assert again.known([key(1), key(2), key(3)]) == [True, False, True]


def test_a_record_damaged_on_disk_is_unknown_counted_and_written_anew(open_store, tmp_path):
    store = DocumentStore(tmp_path / "store", STATES, max_bytes=10**7, read_only=False, metrics=Metrics())
    store.put_many([(key(1), some_states(1, length=600))])
    store.close()
    damage(tmp_path / "store" / "data.mdb", pack(some_states(1, length=600)))
    again = open_store()
    assert again.get_many([key(1)]) == [None]
    assert again.known([key(1)]) == [False]
    again.put_many([(key(1), some_states(1, length=600))])
    assert same(again.get_many([key(1)])[0], some_states(1, length=600))


def damage(path, record: bytes) -> None:
    content = path.read_bytes()
    place = content.index(record[:64]) + len(record) // 2
    path.write_bytes(content[:place] + b"torn" + content[place + 4 :])


def test_the_records_stay_within_the_bound_and_the_least_used_leave_first(open_store):
    clock = FakeClock()
    store = open_store(pages=10, clock=clock)
    store.put_many((key(number), a_page_of(number)) for number in range(10))
    clock.now += 7200
    store.get_many([key(0)])
    store.put_many([(key(10), a_page_of(10))])
    clock.now += 7200
    store.put_many((key(number), a_page_of(number)) for number in range(20, 28))
    assert store.size_bytes <= 10 * 4096
    assert store.known([key(0), key(10), key(1), key(27)]) == [True, True, False, True]


def test_many_more_records_than_fit_never_exceed_the_bound(open_store):
    store = open_store(pages=50)
    for number in range(0, 1000, 20):
        store.put_many((key(each), some_states(each, length=500)) for each in range(number, number + 20))
        assert store.size_bytes <= 50 * 4096
    assert 0 < len(store) <= 50


def test_a_bound_that_was_lowered_is_reached_commit_by_commit(open_store):
    filled = open_store(pages=200)
    filled.put_many((key(number), some_states(number, length=500)) for number in range(200))
    filled.close()
    store = open_store(pages=50, step=20)
    sizes = [store.size_bytes]
    while sizes[-1] > 50 * 4096:
        store.put_many([(key(1000 + len(sizes)), some_states(1))])
        sizes.append(store.size_bytes)
        assert sizes[-1] < sizes[-2]
    assert store.known([key(1000 + len(sizes) - 1)]) == [True]


def test_a_reader_with_a_lower_bound_follows_what_the_writer_keeps(open_store, tmp_path):
    writer = open_store(pages=20000)
    writer.put_many([(key(0), some_states(0))])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(find_elsewhere, (str(tmp_path / "store"), 0))
        for first in range(1, 12000, 1000):
            writer.put_many((key(number), some_states(number, length=500)) for number in range(first, first + 1000))
        # More than 40 MiB by now.
        assert pool.apply(find_elsewhere, (str(tmp_path / "store"), 11000))


@cache
def reader_of(directory: str) -> DocumentStore[DocumentStates]:
    return DocumentStore(Path(directory), STATES, max_bytes=1000, read_only=True, metrics=Metrics())


def find_elsewhere(directory: str, number: int) -> bool:
    return reader_of(directory).known([key(number)]) == [True]


def test_a_store_that_cannot_be_read_knows_nothing_and_one_that_cannot_be_written_says_so(open_store):
    store = open_store()
    store._environment.close()
    assert store.get_many([key(1)]) == [None]
    with pytest.raises(StoreFailed, match="'store' cannot be written"):
        store.put_many([(key(1), some_states(1))])


def test_a_record_put_twice_counts_once(open_store):
    store = open_store()
    store.put_many([(key(1), some_states(1))])
    before = store.size_bytes
    store.put_many([(key(1), some_states(1))])
    assert (store.size_bytes, len(store)) == (before, 1)


def test_another_process_reads_what_this_one_writes(open_store, tmp_path):
    store = open_store()
    store.put_many([(key(1), some_states(1))])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(read_elsewhere, (str(tmp_path / "store"),)) == pack(some_states(1))


def read_elsewhere(directory: str) -> bytes:
    with lmdb.open(directory, readonly=True, max_dbs=4) as environment, environment.begin() as transaction:
        return bytes(transaction.get(key(1), db=environment.open_db(b"records", transaction, create=False)))


def test_a_store_that_is_only_read_keeps_nothing(open_store, tmp_path):
    DocumentStore(tmp_path / "store", STATES, max_bytes=10**6, read_only=False, metrics=Metrics()).close()
    store = open_store(read_only=True)
    store.put_soon([(key(1), some_states(1))])
    assert store.known([key(1)]) == [False]


def test_a_writer_killed_in_the_middle_leaves_whole_records_only(open_store, tmp_path):
    writer = multiprocessing.get_context("spawn").Process(target=write_for_ever, args=(str(tmp_path / "store"),))
    writer.start()
    while not (tmp_path / "store" / "enough").exists():
        assert writer.is_alive()
        writer.join(0.01)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    store = open_store()
    found = [states for states in store.get_many([key(number) for number in range(100_000)]) if states is not None]
    assert len(found) == len(store) > 0
    assert all(same(states, some_states(number)) for number, states in enumerate(found))


def write_for_ever(directory: str) -> None:
    store = DocumentStore(Path(directory), STATES, max_bytes=10**8, read_only=False, metrics=Metrics())
    for number in range(100_000):
        store.put_many([(key(number), some_states(number))])
        if number == 20:
            (Path(directory) / "enough").touch()


def test_a_reader_killed_while_it_read_does_not_keep_old_pages_for_ever(open_store, tmp_path):
    store = open_store(pages=20)
    reader = multiprocessing.get_context("spawn").Process(target=read_for_ever, args=(str(tmp_path / "store"),))
    reader.start()
    while not (tmp_path / "store" / "reading").exists():
        assert reader.is_alive()
        reader.join(0.01)
    os.kill(reader.pid, signal.SIGKILL)
    reader.join()
    for number in range(300):
        store.put_many([(key(number), a_page_of(number))])
    assert (tmp_path / "store" / "data.mdb").stat().st_size < 150 * 4096


def read_for_ever(directory: str) -> None:
    with lmdb.open(directory, readonly=True, max_dbs=4) as environment, environment.begin():
        (Path(directory) / "reading").touch()
        threading.Event().wait()


def test_a_disk_that_stays_full_is_told_of_once(tmp_path):
    def full(_: bytes) -> bytes:
        raise lmdb.DiskError("no space left")

    store = DocumentStore(tmp_path / "store", Codec(pack=full, unpack=bytes), max_bytes=10**6, read_only=False, metrics=Metrics())
    with capture_logs() as lines:
        # Three commits.
        store.put_soon([(key(number), b"") for number in range(1500)])
        store.close()
    assert [line["event"] for line in lines] == ["records not written, until they are again"]


def test_what_is_no_store_is_not_opened(open_store, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "data.mdb").write_bytes(b"no store" * 4096)
    with pytest.raises(StoreFailed, match="cannot be opened"):
        open_store()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_store_that_was_cut_off_costs_records_and_no_process(open_store, tmp_path, share):
    whole = open_store()
    for number in range(40):
        whole.put_many([(key(number), a_page_of(number))])
    whole.close()
    file = tmp_path / "store" / "data.mdb"
    os.truncate(file, int(file.stat().st_size * share))
    reader = multiprocessing.get_context("spawn").Process(target=read_and_write_all, args=(str(tmp_path / "store"),))
    reader.start()
    reader.join()
    assert reader.exitcode == 0


def read_and_write_all(directory: str) -> None:
    try:
        store = DocumentStore(Path(directory), STATES, max_bytes=10**7, read_only=False, metrics=Metrics())
        found = store.get_many([key(number) for number in range(40)])
        assert all(states is None or same(states, a_page_of(number)) for number, states in enumerate(found))
        store.put_many([(key(number), a_page_of(number)) for number in range(40)])
    except StoreFailed:
        pass


def test_what_many_small_records_take_is_counted_as_the_disk_has_it(tmp_path):
    vectors: Codec[bytes] = Codec(pack=lambda value: value, unpack=bytes)
    store = DocumentStore(tmp_path / "vectors", vectors, max_bytes=10**9, read_only=False, metrics=Metrics())
    draw = np.random.default_rng(3)
    for _ in range(20):
        store.put_many([(draw.bytes(32), draw.bytes(776)) for _ in range(512)])
    counted = store.size_bytes
    store.close()
    on_disk = (tmp_path / "vectors" / "data.mdb").stat().st_blocks * 512
    assert 0.7 < counted / on_disk < 1.4
