"""What is torn, cut off, full or killed costs the document store records, and never a wrong one or a process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from pathlib import Path

import lmdb
import pytest
from structlog.testing import capture_logs

from sidecar.errors import StoreFailed
from sidecar.metrics import Metrics
from sidecar.states import STATES, pack
from sidecar.store import Codec, DocumentStore
from tests.sidecar.stored import a_page_of, key, same, some_states


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


def test_a_store_that_cannot_be_read_knows_nothing_and_one_that_cannot_be_written_says_so(open_store):
    store = open_store()
    store._environment.close()
    assert store.get_many([key(1)]) == [None]
    with pytest.raises(StoreFailed, match="'store' cannot be written"):
        store.put_many([(key(1), some_states(1))])


def kill_at_work(work, store: Path) -> None:
    """Let another process do this to the store, and kill it once it says by a file that it is in the middle."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=(str(store),))
    process.start()
    while not (store / "at work").exists():
        assert process.is_alive()
        process.join(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_a_writer_killed_in_the_middle_leaves_whole_records_only(open_store, tmp_path):
    kill_at_work(write_for_ever, tmp_path / "store")
    store = open_store()
    found = [states for states in store.get_many([key(number) for number in range(100_000)]) if states is not None]
    assert len(found) == len(store) > 0
    assert all(same(states, some_states(number)) for number, states in enumerate(found))


def write_for_ever(directory: str) -> None:
    store = DocumentStore(Path(directory), STATES, max_bytes=10**8, read_only=False, metrics=Metrics())
    for number in range(100_000):
        store.put_many([(key(number), some_states(number))])
        if number == 20:
            (Path(directory) / "at work").touch()


def test_a_reader_killed_while_it_read_does_not_keep_old_pages_for_ever(open_store, tmp_path):
    store = open_store(pages=20)
    kill_at_work(read_for_ever, tmp_path / "store")
    for number in range(300):
        store.put_many([(key(number), a_page_of(number))])
    assert (tmp_path / "store" / "data.mdb").stat().st_size < 150 * 4096


def read_for_ever(directory: str) -> None:
    with lmdb.open(directory, readonly=True, max_dbs=4) as environment, environment.begin():
        (Path(directory) / "at work").touch()
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
