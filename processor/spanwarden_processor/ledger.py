"""Spans, counted in the same commits that move them."""

from __future__ import annotations

import struct
from typing import NamedTuple

_PACKED = struct.Struct("<7Q")


class Ledger(NamedTuple):
    """At every sample accepted + generated = forwarded + held + refused.

    `repeated` spans were acknowledged and dropped, because the same span is held or delivered already. `last_id` is
    the number of the newest record.
    """

    accepted: int = 0
    generated: int = 0
    forwarded: int = 0
    held: int = 0
    refused: int = 0
    repeated: int = 0
    last_id: int = 0

    def packed(self) -> bytes:
        """The ledger as the spool keeps it."""
        return _PACKED.pack(*self)

    @classmethod
    def unpacked(cls, packed: bytes | None) -> Ledger:
        """The ledger of these bytes; an empty one where there are none."""
        return cls(*_PACKED.unpack(packed)) if packed else cls()
