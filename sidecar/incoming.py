"""What clients send, slowly, in part or without end: nobody holds a thread for as long as they like.

connection -> stalls bounded by the kernel -> `Incoming` (the whole request's time) -> gunicorn's parser -> application -> `rest_came`
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

# What is read of a body that was answered unread: a refused request's is of ordinary size, and on its way.
UNREAD_S = 1.0
_UNREAD_BYTES = 16 << 20
_AT_ONCE = 1 << 16


def limit_stalls(connection: socket.socket, seconds: float) -> None:
    """Let every read and write of a blocking socket end after so many seconds without a byte.

    gunicorn reads bodies without a time-out: a client that announces one and sends nothing, or whose machine is gone, would hold its
    thread for ever, and as many as there are threads the whole service. The kernel's time-outs survive gunicorn's `setblocking`.
    """
    whole = int(seconds)
    limit = struct.pack("ll", whole, int((seconds - whole) * 1e6))
    # Not every kind of socket has them.
    with contextlib.suppress(OSError):
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            connection.setsockopt(socket.SOL_SOCKET, option, limit)


class Incoming:
    """A connection as its parser reads it: all of a request has to come within its time, however small the steps are."""

    def __init__(self, connection: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._until = 0.0
        self._in_head = True

    def begin(self, seconds: float) -> None:
        """A request begins, and has so many seconds to come."""
        self._until = self._clock() + seconds
        self._in_head = True

    def head_came(self) -> None:
        """Its first line and headers are there; what is read from now on is its body."""
        self._in_head = False

    def recv(self, size: int) -> bytes:
        """The next bytes; raises OSError where none came for too long, or all took too long."""
        try:
            if self._clock() >= self._until:
                raise TimeoutError("the request took too long to come")
            return self._connection.recv(size)
        except (BlockingIOError, TimeoutError):
            if self._in_head:
                # As from a client that has gone: there is nothing to answer yet, and gunicorn would log a traceback.
                return b""
            raise


def rest_came(connection: Any) -> bool:
    """Whether the body's rest came, so that the connection can carry another request; its client has its answer either way.

    One that goes on sending, fast or slowly, would otherwise hold its thread for as long as it likes, and needs no token for it.
    """
    message = connection.parser.mesg
    left, end = _UNREAD_BYTES, time.monotonic() + UNREAD_S
    try:
        while message is not None and (data := message.body.read(_AT_ONCE)):
            left -= len(data)
            if left < 0 or time.monotonic() > end:
                return False
    except OSError:
        return False
    return True
