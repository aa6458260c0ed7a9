"""glibc's allocator, told to keep what training frees: a step's tensors otherwise go back to the kernel and come again, page by page."""

from __future__ import annotations

import ctypes
import os
import platform

# mallopt's parameters (malloc.h), the environment's names for them, and their largest values.
_SETTINGS = (("MALLOC_TRIM_THRESHOLD_", -1, 2**31 - 1), ("MALLOC_MMAP_THRESHOLD_", -3, 2**30))


def keep_freed_memory() -> None:
    """Keep freed memory in the process from now on, but for what the environment sets itself; does nothing without glibc."""
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for name, parameter, value in _SETTINGS:
        if name not in os.environ:
            libc.mallopt(parameter, value)
