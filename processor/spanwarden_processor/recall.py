"""What a session has been shown: a step and who shows it to whether it is new, and the identity it keeps.

A step is shown many times: by the model's answer, by the tool's span, by every later request. Content is recognised by
a keyed digest. The n-th time that one channel shows it is its n-th occurrence, whoever showed that first; so a call
made twice is two steps, and one shown thrice is one. Call ids tell occurrences apart where they are given.
"""

from __future__ import annotations

from itertools import islice
from typing import Final, TypeAlias, TypeVar

import xxhash

from spanwarden_processor.messages import Shown

Counts: TypeAlias = dict[bytes, int]
"""How often one channel has shown each content."""

Identity: TypeAlias = bytes
"""Bytes that are the same for the same step, also after a restart that is followed by the same spans."""

Key = TypeVar("Key")
Value = TypeVar("Value")

OCCURRENCES_KEPT: Final = 64
"""Occurrences of equal content that are told apart; a later one counts as new whenever it is shown."""

_CALLS: Final = ("tool_call", "tool_result")


class Recall:
    """The identities of a session's steps, bounded: beyond `keys_max` the older half is forgotten."""

    def __init__(self, seed: int, keys_max: int) -> None:
        """Start empty. `seed` keeps senders from computing colliding digests."""
        self._seed = seed
        self._keys_max = keys_max
        self._known: dict[bytes, list[Identity]] = {}
        self._unnamed: dict[bytes, list[Identity]] = {}
        self._by_call: dict[tuple[str, str | None], tuple[Identity, bool]] = {}
        self.evicted = False

    @property
    def keys(self) -> int:
        """How many digests are held."""
        return len(self._known) + len(self._unnamed) + len(self._by_call)

    def sight(self, shown: Shown, counts: Counts) -> tuple[Identity, bool]:
        """The identity of the step that a channel shows, and whether it is new to the session."""
        call_id = shown.call_id
        text = f"{shown.kind}\0{shown.tool}\0{shown.content}"
        content = xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"), self._seed)
        key = content + call_id.encode("utf-8", "surrogatepass") if call_id else content
        counts[key] = nth = counts.get(key, 0) + 1
        if len(counts) > self._keys_max:
            counts.clear()
            self.evicted = True
        occurrences = self._known.get(key)
        if occurrences is None:
            identity = self._under_another_key(shown, content) if call_id else None
            self._known[key] = [identity or key]
            if identity:
                return identity, False
            identity = key
        elif nth <= len(occurrences):
            return occurrences[nth - 1], False
        else:
            identity = key + bytes((len(occurrences),))
            if len(occurrences) < OCCURRENCES_KEPT:
                occurrences.append(identity)
        if shown.kind in _CALLS:
            self._index_call(shown, content, identity)
        if len(self._known) > self._keys_max:
            self._forget()
        return identity, True

    def _under_another_key(self, shown: Shown, content: bytes) -> Identity | None:
        """A step with a call id may be known without it, or by a part of its content only."""
        same_call = self._by_call.get((shown.kind, shown.call_id))
        if same_call and (shown.cut or not same_call[1]):
            return same_call[0]
        unnamed = self._unnamed.get(content)
        return unnamed.pop(0) if unnamed else None

    def _index_call(self, shown: Shown, content: bytes, identity: Identity) -> None:
        same_content = (self._known if shown.call_id else self._unnamed).setdefault(content, [])
        if len(same_content) < OCCURRENCES_KEPT:
            same_content.append(identity)
        if shown.call_id:
            self._by_call[shown.kind, shown.call_id] = identity, not shown.cut

    def _forget(self) -> None:
        self.evicted = True
        self._known = _newer_half(self._known)
        self._unnamed = _newer_half(self._unnamed)
        self._by_call = _newer_half(self._by_call)


def _newer_half(index: dict[Key, Value]) -> dict[Key, Value]:
    return dict(islice(index.items(), len(index) // 2, None))
