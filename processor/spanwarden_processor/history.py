"""Histories that are sent again and again: the content of this request to the part of it that was not read before.

Every request of a model repeats the whole conversation. Of a JSON array that begins with the bytes of an earlier one
only the tail is parsed, so that a call costs what it adds, and one pass over its bytes.
"""

from __future__ import annotations

from typing import Final

import xxhash

from spanwarden_processor.json_care import Flaw
from spanwarden_processor.recall import Counts

STREAMS_KEPT: Final = 4
"""Conversations that one session carries on side by side, sub-agents say."""
_TAIL_BYTES: Final = 48


class Stream:
    """One conversation: how to recognise what has been read of its array, which is all but the closing bracket."""

    __slots__ = ("_asked", "_read", "_seed", "counts", "flaws")

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._read = self._asked = (0, b"", b"")
        """Length, digest and last bytes: of what was read, and of the text that came last."""
        self.counts: Counts = {}
        """How often this conversation has shown each content."""
        self.flaws: set[Flaw] = set()
        """What was wrong with what has been read of it: that is repeated as well."""

    def copy(self) -> Stream:
        """The same conversation, to go on with on trial."""
        other = Stream(self._seed)
        other.counts, other.flaws = dict(self.counts), set(self.flaws)
        return other

    def begin(self, text: bytes) -> None:
        """Take the text as the first of this conversation."""
        self._ask(text, xxhash.xxh3_128(seed=self._seed), 0)

    def unread(self, text: bytes) -> bytes | None:
        """The JSON of what the text holds beyond what was read; None where it begins in another way."""
        length, digest, tail = self._read
        if not length or not text.endswith(tail, 0, length):
            return None
        running = xxhash.xxh3_128(memoryview(text)[:length], seed=self._seed)
        if running.digest() != digest:
            return None
        added = self._ask(text, running, length).lstrip()
        if added.startswith(b","):
            return b"[" + added[1:]
        return b"[]" if added == b"]" else None

    def remember(self) -> None:
        """Note that the text that came last has been read as JSON."""
        self._read = self._asked

    def _ask(self, text: bytes, running: xxhash.xxh3_128, length: int) -> bytes:
        """What follows the `length` bytes that are in the running digest. Take down what to remember of the text."""
        self._asked = self._read
        added = text[length:].rstrip()
        if added.endswith(b"]"):
            end = length + len(added) - 1
            running.update(added[:-1])
            self._asked = end, running.digest(), text[max(0, end - _TAIL_BYTES) : end]
        return added


class History:
    """The conversations that a session's requests repeat, the latest first; bounded."""

    __slots__ = ("_seed", "_streams")

    def __init__(self, seed: int) -> None:
        """Start empty. `seed` keeps senders from passing one beginning off as another."""
        self._seed = seed
        self._streams: list[Stream] = []

    def unread(self, text: str) -> tuple[str, Stream]:
        """What of the text is new, and its conversation: to `remember` it, once it has been read as JSON."""
        content = text.encode("utf-8", "surrogatepass")
        for place, stream in enumerate(self._streams):
            rest = stream.unread(content)
            if rest is not None:
                if place:
                    self._streams.insert(0, self._streams.pop(place))
                return rest.decode("utf-8", "surrogatepass"), stream
        fresh = Stream(self._seed)
        fresh.begin(content)
        self._streams.insert(0, fresh)
        del self._streams[STREAMS_KEPT:]
        return text, fresh
