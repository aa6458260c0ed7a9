"""gunicorn's threaded worker with a drain that loses no request.

SIGTERM -> `/ready` 503, still serving for `drain_s`, connections closed after their answer -> the listener's backlog accepted, the
listener closed -> what is in flight ends -> idle connections closed.

Why: gunicorn's own stop leaves the listening socket open while it waits, so that clients connect to a service that will never accept
them, and waits for idle kept-alive connections until they time out.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import socket
import struct
import sys
import time
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from flask import Flask
from gunicorn.http import get_parser
from gunicorn.workers.gthread import _DEFER, ThreadWorker

from sidecar.arrival import note
from sidecar.incoming import UNREAD_S, Incoming, limit_stalls, rest_came

# An idle connection may be about to send: after the drain it gets this long.
_LINGER_S = 0.5
_STEP_S = 0.05

# A classic BPF program over the TCP header: a segment with SYN (byte 13, bit 2) is dropped, any other passes.
_NO_SYN = b"".join(struct.pack("HBBI", *line) for line in ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)))
_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
# A listener that another worker closed to new connections is opened again within this.
_RESTORE_S = 0.5


def drop_handshakes(listener: socket.socket) -> None:
    """Let no new connection begin, so that none comes between the last accept and the close: its client tries again, and is refused.

    On Linux alone; elsewhere that moment stays.
    """
    if sys.platform == "linux" and listener.family in (socket.AF_INET, socket.AF_INET6):
        program = ctypes.create_string_buffer(_NO_SYN)
        # A sandbox may forbid it: a stop goes on without.
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_NO_SYN) // 8, ctypes.addressof(program)))


def restore_handshakes(listener: socket.socket) -> None:
    """Undo `drop_handshakes`: the listener is one for all processes that hold it, and this one goes on serving."""
    if sys.platform == "linux" and listener.family in (socket.AF_INET, socket.AF_INET6):
        # It fails where there is no filter, which is the rule.
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)


def service_ends(listener: socket.socket) -> bool:
    """Whether gunicorn's master has closed its listener: it does so when the whole service stops, and not when it replaces a worker.

    False where that cannot be seen.
    """
    try:
        held = {str(entry.readlink()) for entry in Path(f"/proc/{os.getppid()}/fd").iterdir()}
    except OSError:
        return False
    return f"socket:[{os.fstat(listener.fileno()).st_ino}]" not in held


class DrainingWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """The application carries what the worker needs: its engine, and how long to drain."""

    alive: bool
    _drain_until: float | None = None
    _linger_until: float | None = None
    _restored = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: begin the drain; the loop ends when it is over."""
        application = getattr(self, "wsgi", None)
        if not isinstance(application, Flask):
            # Still loading: nothing is in flight.
            super().handle_exit(sig, frame)
        elif self._drain_until is None:
            application.extensions["engine"].drain()
            self._drain_until = time.monotonic() + application.extensions["drain_s"]
            self.method_queue.defer(lambda: None)

    def notify(self) -> None:
        """Called on every turn of gunicorn's loop."""
        super().notify()
        now = time.monotonic()
        if self._drain_until is None:
            if self.alive and now >= self._restored + _RESTORE_S:
                self._restored = now
                for listener in self.sockets:
                    restore_handshakes(listener.sock)
        elif now >= self._drain_until:
            self.alive = False

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Short turns while stopping: the drain's ends are not events."""
        super().wait_for_and_dispatch_events(_STEP_S if self._drain_until is not None or not self.alive else timeout)

    def set_accept_enabled(self, enabled: bool) -> None:
        """At the end, take what clients have already connected, and give up this process's share of the listener."""
        super().set_accept_enabled(enabled)
        if not self.alive and not enabled:
            for listener in self.sockets:
                if service_ends(listener.sock):
                    drop_handshakes(listener.sock)
                self._accept_backlog(listener)
                listener.close()

    def murder_keepalived(self) -> None:
        """Close idle connections: at their time-out, or soon when stopping."""
        if not self.alive:
            self._linger_until = self._linger_until or time.monotonic() + _LINGER_S
            for connection in self.keepalived_conns:
                connection.timeout = min(connection.timeout, self._linger_until)
        super().murder_keepalived()

    def murder_pending(self) -> None:
        """Close connections that never sent anything likewise."""
        if self._linger_until is not None:
            for connection in self.pending_conns:
                connection.timeout = min(connection.timeout, self._linger_until)
        super().murder_pending()

    def enqueue_req(self, conn: Any) -> None:
        """A connection joins those that wait for a thread."""
        conn.queued = time.monotonic()
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        """In the thread. A new connection's first bytes may be still to come: that wait is its client's, and takes no thread.

        gunicorn gives it one for seconds: as many connections as there are threads, opened ahead of use, would stop the service.
        """
        if self.alive and not conn.initialized and not conn.wait_for_data(0):
            return _DEFER
        conn.waited_s = time.monotonic() - conn.queued
        limit_stalls(conn.sock, self.wsgi.extensions["stall_timeout_s"])
        if conn.parser is None and not conn.cfg.is_ssl:
            # Under TLS gunicorn makes the parser, after the handshake: there only stalls are bounded.
            conn.incoming = Incoming(conn.sock)
            conn.parser = get_parser(conn.cfg, conn.incoming, conn.client)
        if incoming := getattr(conn, "incoming", None):
            incoming.begin(self.wsgi.extensions["request_timeout_s"])
        return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """While draining, each answer closes its connection, so that the client's next request finds another instance."""
        note(time.monotonic() - conn.waited_s)
        if incoming := getattr(conn, "incoming", None):
            incoming.head_came()
        if self._drain_until is not None:
            req.force_close()
        kept = super().handle_request(req, conn)
        # What is left of a body that was answered unread: it is there, or on its way, or will never come.
        limit_stalls(conn.sock, min(UNREAD_S, self.wsgi.extensions["stall_timeout_s"]))
        return kept and rest_came(conn)

    def finish_request(self, conn: Any, fs: Future[Any]) -> None:
        """An answer that promised to keep its connection is kept to when `max_requests` ends the worker just after it.

        gunicorn closes the connection then, on which its client may have sent the next request already.
        """
        if self.alive or fs.cancelled() or fs.exception() is not None or fs.result() not in (True, _DEFER):
            super().finish_request(conn, fs)
            return
        try:
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn))
        except (OSError, ValueError, KeyError):
            # Its client has gone.
            self.nr_conns -= 1
            conn.close()
            return
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        # A slow answer's client has as long as all others; later answers close theirs, so that this ends.
        self._linger_until = time.monotonic() + _LINGER_S

    def _accept_backlog(self, listener: Any) -> None:
        before = -1
        while self.nr_conns != before:
            before = self.nr_conns
            self.accept(listener)
