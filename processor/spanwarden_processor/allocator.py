"""How a process treats its memory: large blocks of the C library, and the search for cycles of Python."""

from __future__ import annotations

import ctypes
import gc
import time
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of glibc's mallopt(3)."""
_KEPT_BYTES = 256 * 1024 * 1024
_LARGEST_MMAP_THRESHOLD = 32 * 1024 * 1024
"""glibc takes no more."""
COLLECTION_SECONDS = 600.0
"""Between two searches for cycles where they are made by the clock."""


def keep_large_blocks() -> None:
    """Let freed blocks of up to 32 MiB be used again instead of going back to the kernel.

    Requests are such blocks. By default each is mapped anew and cleared page by page: measured, more than half of
    what forwarding costs. Two arenas bound what may lie idle. Where the C library is another one, nothing changes.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_ARENA_MAX, 2)


def collect_rarely() -> None:
    """Look for cycles after 100,000 new objects instead of 700, and never among those that are there now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


class TimedCollection:
    """Python's search for cycles, by the clock instead of by the number of new objects.

    What is held for sessions and spans has no cycles and is freed by its reference counts (there are tests of that).
    Looking through all of it again and again took 105 of 235 us a span in a scorer with 1,000 sessions, and still 10
    of 110 when it was done after every 100,000 new objects. What an unforeseen cycle holds is freed within
    `COLLECTION_SECONDS`.
    """

    def __init__(self) -> None:
        """Take the search over, and leave out for good what is there now."""
        gc.disable()
        gc.collect()
        gc.freeze()
        self._last = time.monotonic()

    def when_due(self) -> None:
        """Search, if it is time to."""
        if time.monotonic() - self._last >= COLLECTION_SECONDS:
            gc.collect()
            self._last = time.monotonic()
