"""Patches: edits of a request to a small block of bytes, and a request and that block to the edited request.

An edit replaces `start:end` of the original. Edits are sorted and do not overlap; every byte outside of them stays.
A patch holds a count, three 32-bit numbers for each edit (start, end, length of the replacement), the replacements.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple

from spanwarden_processor.otlp.slices import SpanSlice
from spanwarden_processor.otlp.wire import Frame, varint

_COUNT = struct.Struct("<I")
_NUMBERS_EACH = 3


class Edit(NamedTuple):
    """`start:end` of the original becomes `replacement`."""

    start: int
    end: int
    replacement: bytes


class Change(NamedTuple):
    """An edit inside of messages whose lengths it changes: `within` names them, the innermost first."""

    start: int
    end: int
    replacement: bytes
    within: tuple[Frame, ...]


def encode(edits: Sequence[tuple[int, int, bytes]]) -> bytes:
    """The patch for sorted edits that do not overlap; b"" where there are none."""
    if not edits:
        return b""
    numbers = [number for start, end, replacement in edits for number in (start, end, len(replacement))]
    head = struct.pack(f"<{len(numbers) + 1}I", len(edits), *numbers)
    return head + b"".join([edit[2] for edit in edits])


def apply(original: bytes, patch: bytes) -> bytes:
    """The original with the patch's edits made. Raises `ValueError` for a patch that is not of this original."""
    if not patch:
        return original
    pieces = []
    position = 0
    for start, end, replacement in _decode(patch):
        if not position <= start <= end <= len(original):
            raise ValueError("a patch that does not fit its original")
        pieces.append(original[position:start])
        pieces.append(replacement)
        position = end
    pieces.append(original[position:])
    return b"".join(pieces)


def appended(part: SpanSlice, content: bytes) -> Change:
    """The change that writes fields behind all others of a span."""
    end = part.frame.end
    return Change(end, end, content, (part.frame, part.scope, part.resource))


def patch_for(changes: Iterable[Change]) -> bytes:
    """The patch that makes the changes and corrects the length of every message around them.

    Changes do not overlap; they may come in any order, but for two at the same position, which keep theirs.
    """
    edits: list[tuple[int, int, bytes]] = []
    growth: dict[int, int] = {}
    around: dict[int, tuple[Frame, ...]] = {}
    for start, end, replacement, within in changes:
        edits.append((start, end, replacement))
        grown = len(replacement) - (end - start)
        for frame in within:
            if frame.start in growth:
                growth[frame.start] += grown
                break
            growth[frame.start] = grown
            around[frame.start] = within
            grown, within = 0, within[1:]
    edits.extend(_length_edits(growth, around))
    edits.sort(key=itemgetter(0, 1))  # what is written at the end of a message comes before what follows it
    return encode(edits)


def _length_edits(growth: dict[int, int], around: dict[int, tuple[Frame, ...]]) -> Iterable[tuple[int, int, bytes]]:
    # A message begins after the ones around it: going backwards, each has all of its growth when it is reached.
    for start in sorted(growth, reverse=True):
        if not growth[start]:
            continue
        frame, *outer = around[start]
        length = varint(frame.end - start + growth[start])
        if outer:
            growth[outer[0].start] += growth[start] + len(length) - (start - frame.length_at)
        yield frame.length_at, start, length


def _decode(patch: bytes) -> list[tuple[int, int, bytes]]:
    try:
        (count,) = _COUNT.unpack_from(patch)
        numbers = struct.unpack_from(f"<{count * _NUMBERS_EACH}I", patch, _COUNT.size)
    except struct.error:
        raise ValueError("a patch that is cut") from None
    position = _COUNT.size + 4 * len(numbers)
    edits = []
    for start, end, length in zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True):
        edits.append((start, end, patch[position : position + length]))
        position += length
    if position != len(patch):
        raise ValueError("a patch that is cut")
    return edits
