"""The document store keeps whole records within its bound, and never returns a damaged one."""

from __future__ import annotations

import multiprocessing
from functools import cache
from pathlib import Path

import lmdb
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sidecar.metrics import Metrics
from sidecar.states import STATES, DocumentStates, pack, unpack
from sidecar.store import Codec, DocumentStore
from tests.sidecar.fakes import FakeClock
from tests.sidecar.stored import a_page_of, key, same, some_states


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


def test_records_that_leave_for_want_of_room_are_counted(tmp_path):
    metrics = Metrics()
    store = DocumentStore(tmp_path / "store", STATES, max_bytes=2 * 4096, read_only=False, metrics=metrics)
    for number in range(5):
        store.put_many([(key(number), a_page_of(number))])
    store.close()
    assert metrics.registry.get_sample_value("rerank_store_evicted_total", {"store": "store"}) == 3


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
