"""A process that outlives the command which started it, found again by its pid file.

Invariant: a pid counts only together with its start time: a number that the system gave to another process is never signalled.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from cluster.workspace import Account

_LOG_LINES = 30


class PidFile(msgspec.Struct, frozen=True):
    """What a later command needs to know about a process; `url` is where it answers, `facts` is what it was started with."""

    pid: int
    created: float
    url: str
    facts: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Daemon:
    """One process of one folder: `process.json` and `output.log` lie in it."""

    folder: Path

    @property
    def log(self) -> Path:
        """What the process prints."""
        return self.folder / "output.log"

    def start(
        self,
        command: Sequence[str | Path],
        *,
        url: str,
        environment: Mapping[str, str],
        cwd: Path,
        account: Account | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        """Start the command in a session of its own; it keeps running when the caller ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        created = psutil.Process(process.pid).create_time()
        self._pid_file.write_bytes(msgspec.json.encode(PidFile(process.pid, created, url, dict(facts or {}))))

    def running(self) -> PidFile | None:
        """The process of the pid file, if it still runs."""
        try:
            known = msgspec.json.decode(self._pid_file.read_bytes(), type=PidFile)
            process = psutil.Process(known.pid)
            alive = process.create_time() == known.created and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, msgspec.DecodeError, psutil.NoSuchProcess):
            return None
        return known if alive else None

    def stop(self, *, timeout_s: float = 30.0) -> bool:
        """Ask the process to end, then make it; whether there was one."""
        known = self.running()
        if known:
            process = psutil.Process(known.pid)
            process.terminate()
            try:
                process.wait(timeout_s)
            except psutil.TimeoutExpired:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
                process.wait(timeout_s)
        self._pid_file.unlink(missing_ok=True)
        return known is not None

    def last_lines(self) -> str:
        """The end of the log, for the message of a failed start."""
        with contextlib.suppress(FileNotFoundError):
            return os.linesep.join(self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
        return ""

    @property
    def _pid_file(self) -> Path:
        return self.folder / "process.json"
