"""Span keys -> which of them came before: what recognises a span that a client sends again.

A client that missed an acknowledgement sends the same spans once more, for up to some minutes. Keys are 64-bit
keyed digests; two different spans share one with a chance of 2^-64 for each pair, below a disk's own error rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy
import numpy.typing

Keys = numpy.typing.NDArray[numpy.uint64]

FREEZE_AT = 65_536
"""A set of Python integers costs 90 bytes a key, a sorted array 8: the set is frozen when it has grown to this."""
MERGE_AT = 8
"""How many arrays one era holds before they become one; each costs a search for every request."""


class Era(NamedTuple):
    """The arrays of one stretch of time, forgotten together."""

    started_ns: int
    arrays: list[Keys]


class RepeatWindow:
    """Remembers keys for at least `window_ns`, and for at most a quarter more.

    Memory is 8 bytes a key beside the set of the newest keys, so it is bounded by the rate of spans times the
    window: 72 MB for 10,000 spans a second over 15 minutes. Not safe for threads: the spool's writer owns it.
    """

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._newest: set[int] = set()
        self._eras: list[Era] = []

    def __len__(self) -> int:
        return len(self._newest) + sum(len(array) for era in self._eras for array in era.arrays)

    def known(self, keys: Sequence[int]) -> list[bool]:
        """Say of each key whether it was added before."""
        found = [key in self._newest for key in keys]
        arrays = [array for era in self._eras for array in era.arrays]
        if not arrays or all(found):
            return found
        wanted = numpy.array(keys, dtype=numpy.uint64)
        mask = numpy.array(found, dtype=numpy.bool_)
        for array in arrays:
            places = numpy.searchsorted(array, wanted)
            mask |= array[numpy.minimum(places, len(array) - 1)] == wanted
        return [bool(hit) for hit in mask]

    def add(self, keys: Iterable[int], now_ns: int) -> None:
        """Remember keys that are stored: one that was added too early would turn a sender's second try into a loss."""
        self._newest.update(keys)
        if len(self._newest) >= FREEZE_AT:
            self._freeze(now_ns)

    def expire(self, now_ns: int) -> None:
        """Drop what is older than the window."""
        if self._newest and self._eras and now_ns - self._eras[-1].started_ns > self._window_ns // 4:
            self._freeze(now_ns)
        keep_ns = self._window_ns + self._window_ns // 4
        self._eras = [era for era in self._eras if now_ns - era.started_ns <= keep_ns]

    def _freeze(self, now_ns: int) -> None:
        frozen = numpy.fromiter(self._newest, dtype=numpy.uint64, count=len(self._newest))
        frozen.sort()
        self._newest = set()
        if not self._eras or now_ns - self._eras[-1].started_ns > self._window_ns // 4:
            self._eras.append(Era(now_ns, []))
        arrays = self._eras[-1].arrays
        arrays.append(frozen)
        if len(arrays) >= MERGE_AT:
            arrays[:] = [numpy.sort(numpy.concatenate(arrays))]
