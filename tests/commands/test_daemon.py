"""Processes that outlive their starter, and are never confused with others."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from cluster.daemon import Daemon, PidFile

WAITS = "import signal; print('up', flush=True); signal.pause()"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    yield made
    made.stop()


def start(daemon: Daemon, program: str = WAITS) -> None:
    daemon.start(
        [sys.executable, "-c", program], url="http://127.0.0.1:1", environment=os.environ, cwd=daemon.folder, facts={"version": "1"}
    )


def test_a_started_process_is_found_with_its_address_and_facts(daemon: Daemon) -> None:
    start(daemon)

    known = Daemon(daemon.folder).running()

    assert known is not None
    assert (known.url, known.facts) == ("http://127.0.0.1:1", {"version": "1"})


def test_a_stopped_process_is_gone(daemon: Daemon) -> None:
    start(daemon)
    known = daemon.running()

    assert known is not None
    assert daemon.stop()
    assert daemon.running() is None
    assert not psutil.pid_exists(known.pid)


def test_a_process_that_ignores_the_request_to_end_is_killed(daemon: Daemon) -> None:
    start(daemon, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()")

    assert daemon.stop(timeout_s=0.3)
    assert daemon.running() is None


def test_stopping_what_does_not_run_says_so(daemon: Daemon) -> None:
    assert not daemon.stop()


def test_another_process_with_the_same_number_is_left_alone(daemon: Daemon) -> None:
    myself = PidFile(os.getpid(), created=1.0, url="")
    (daemon.folder / "process.json").write_bytes(msgspec.json.encode(myself))

    assert daemon.running() is None
    assert not daemon.stop()


def test_what_a_process_printed_last_is_kept(daemon: Daemon) -> None:
    start(daemon, "print('no heap')")
    known = daemon.running()
    if known:
        psutil.Process(known.pid).wait(10)

    assert daemon.last_lines() == "no heap"
