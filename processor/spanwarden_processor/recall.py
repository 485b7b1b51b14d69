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
from spanwarden_processor.types import Step

Counts: TypeAlias = dict[bytes, int]
"""How often one channel has shown each content."""

Identity: TypeAlias = bytes
"""16 bytes that are the same for the same step, also after a restart that is followed by the same spans."""

Value = TypeVar("Value")

OCCURRENCES_KEPT: Final = 64
"""Occurrences of equal content that are told apart; a later one counts as new whenever it is shown."""


class Recall:
    """The identities of a session's steps, bounded: beyond `keys_max` the older half is forgotten."""

    def __init__(self, seed: int, keys_max: int) -> None:
        """Start empty. `seed` keeps senders from computing colliding digests."""
        self._seed = seed
        self._keys_max = keys_max
        self._known: dict[bytes, list[Identity]] = {}
        self._unnamed: dict[bytes, list[Identity]] = {}
        self._by_call: dict[bytes, tuple[Identity, bool]] = {}
        self.evicted = False

    @property
    def keys(self) -> int:
        """How many digests are held."""
        return len(self._known) + len(self._unnamed) + len(self._by_call)

    def sight(self, shown: Shown, counts: Counts) -> tuple[Identity, bool]:
        """The identity of the step that a channel shows, and whether it is new to the session."""
        step = shown.step
        key = self._key(step, step.call_id or "", shown.content)
        counts[key] = nth = counts.get(key, 0) + 1
        occurrences = self._known.get(key)
        if occurrences is not None and nth <= len(occurrences):
            return occurrences[nth - 1], False
        if occurrences is None and step.call_id and (identity := self._under_another_key(shown)):
            self._known[key] = [identity]
            return identity, False
        return self._admit(shown, key, occurrences), True

    def _under_another_key(self, shown: Shown) -> Identity | None:
        """A step with a call id may be known without it, or by a part of its content only."""
        same_call = self._by_call.get(self._call_key(shown.step))
        if same_call and (shown.cut or not same_call[1]):
            return same_call[0]
        unnamed = self._unnamed.get(self._key(shown.step, "", shown.content))
        return unnamed.pop(0) if unnamed else None

    def _admit(self, shown: Shown, key: bytes, occurrences: list[Identity] | None) -> Identity:
        occurrences = occurrences if occurrences is not None else []
        identity = xxhash.xxh3_128_digest(key + len(occurrences).to_bytes(4, "big"), self._seed)
        if len(occurrences) < OCCURRENCES_KEPT:
            self._known[key] = occurrences
            occurrences.append(identity)
        if shown.step.kind in ("tool_call", "tool_result"):
            self._index_call(shown, identity)
        if self.keys > self._keys_max:
            self._forget()
        return identity

    def _index_call(self, shown: Shown, identity: Identity) -> None:
        content_key = self._key(shown.step, "", shown.content)
        index = self._known if shown.step.call_id else self._unnamed
        same_content = index.setdefault(content_key, [])
        if len(same_content) < OCCURRENCES_KEPT:
            same_content.append(identity)
        if shown.step.call_id:
            self._by_call[self._call_key(shown.step)] = identity, not shown.cut

    def _forget(self) -> None:
        self.evicted = True
        self._known = _newer_half(self._known)
        self._unnamed = _newer_half(self._unnamed)
        self._by_call = _newer_half(self._by_call)

    def _call_key(self, step: Step) -> bytes:
        return self._key(step, step.call_id or "", "")

    def _key(self, step: Step, call_id: str, content: str) -> bytes:
        tool = step.tool or ""
        text = f"{step.kind}\0{len(call_id)}\0{len(tool)}\0{call_id}{tool}{content}"
        return xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"), self._seed)


def _newer_half(index: dict[bytes, Value]) -> dict[bytes, Value]:
    return dict(islice(index.items(), len(index) // 2, None))
