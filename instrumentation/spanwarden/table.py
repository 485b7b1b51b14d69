"""What sessions are known by, within a bound: the least recently used goes first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final, Generic, TypeVar

from spanwarden.session import Answer, Call

SAME_KEY: Final = 4
"""Sessions remembered under one key: servers that count call ids from 1 give the same ids to many."""

Kept = TypeVar("Kept", Call, Answer)


class Table(Generic[Kept]):
    """Least recently used table; under each key the few newest, because keys may repeat between sessions."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows: OrderedDict[Any, tuple[Kept, ...]] = OrderedDict()

    def add(self, key: Any, kept: Kept) -> int:
        """Remember; return how many rows had to go."""
        if key in self._rows:
            self._rows[key] = self._rows[key][1 - SAME_KEY :] + (kept,)  # noqa: RUF005 - unpacking loses the type
            self._rows.move_to_end(key)
        else:
            self._rows[key] = (kept,)
        if len(self._rows) <= self._limit:
            return 0
        self._rows.popitem(last=False)
        return 1

    def find(self, key: Any) -> tuple[Kept, ...]:
        """Newest first."""
        rows = self._rows.get(key)
        if rows is None:
            return ()
        self._rows.move_to_end(key)
        return rows[::-1]
