"""Histories that are sent again and again: the content of this request to the part of it that was not read before.

Every request of a model repeats the whole conversation. Of a JSON array that begins with the bytes of an earlier one
only the tail is parsed, so that a call costs what it adds, and one pass over its bytes.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import xxhash

from spanwarden_processor.json_care import Flaw
from spanwarden_processor.recall import Counts

STREAMS_KEPT: Final = 4
"""Conversations that one session carries on side by side, sub-agents say."""
_TAIL: Final = 48


class Stream:
    """One conversation: how long its array was without the closing bracket, and how to recognise that much of it."""

    __slots__ = ("_digest", "_hash", "_length", "_seed", "_tail", "counts", "flaws")

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._length = 0
        self._digest = b""
        self._hash = xxhash.xxh3_128(seed=seed)
        self._tail = ""
        self.counts: Counts = {}
        """How often this conversation has shown each content."""
        self.flaws: set[Flaw] = set()
        """What was wrong with what has been read of it: that is repeated as well."""

    def copy(self) -> Stream:
        """The same conversation, to go on with on trial."""
        other = Stream(self._seed)
        other.counts, other.flaws = dict(self.counts), set(self.flaws)
        return other

    def remember(self, text: str) -> None:
        """Note that this whole text has been read: the one that `unread` was asked about last."""
        text = text.rstrip()
        if text.endswith("]"):
            self._hash.update(_bytes(text[self._length : -1]))
            self._digest = self._hash.digest()
            self._length = len(text) - 1
            self._tail = text[-1 - _TAIL : -1]

    def unread(self, text: str) -> str | None:
        """The JSON of what the text holds beyond what was read; None where it begins in another way."""
        length = self._length
        if not length or not text.endswith(self._tail, 0, length):
            return None
        self._hash = xxhash.xxh3_128(_bytes(text[:length]), seed=self._seed)
        if self._hash.digest() != self._digest:
            return None
        rest = text[length:].lstrip()
        if rest.startswith(","):
            return "[" + rest[1:]
        return "[]" if rest.rstrip() == "]" else None


class Unread(NamedTuple):
    """What is left to read, and the stream that it belongs to."""

    content: Any
    stream: Stream


class History:
    """The conversations that a session's requests repeat, the latest first; bounded."""

    __slots__ = ("_seed", "_streams")

    def __init__(self, seed: int) -> None:
        """Start empty. `seed` keeps senders from passing one beginning off as another."""
        self._seed = seed
        self._streams: list[Stream] = []

    def unread(self, text: str) -> Unread:
        """What of the text is new. `Unread.stream.remember` it once it has been read as JSON."""
        for place, stream in enumerate(self._streams):
            rest = stream.unread(text)
            if rest is not None:
                self._streams.insert(0, self._streams.pop(place))
                return Unread(rest, stream)
        fresh = Stream(self._seed)
        self._streams.insert(0, fresh)
        del self._streams[STREAMS_KEPT:]
        return Unread(text, fresh)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
