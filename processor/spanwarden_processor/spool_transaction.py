"""What one commit of the spool changes: operations to writes in an LMDB transaction and a new ledger."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from spanwarden_processor.ledger import Ledger

JOINED_BYTES = 128 * 1024
"""Requests that share a commit become one record up to this size: what a record costs on its way is paid once."""

SPAN_COUNT = struct.Struct("<I")
RECORD_ID = struct.Struct(">Q")


class Transaction:
    """The LMDB transaction, the ledger as it will be, the keys of new spans, and what others wait for.

    `arrived` says that there are new records to score, `scored` that there are some to deliver. `used_bytes` is how
    much of the map holds data, by estimate.
    """

    def __init__(self, txn: Any, databases: dict[str, Any], ledger: Ledger, used_bytes: int, now_ns: int) -> None:
        self.txn = txn
        self.databases = databases
        self.counts = ledger._asdict()
        self.now_ns = now_ns
        self.new_keys: set[int] = set()
        self.used_bytes = used_bytes
        self.arrived = False
        self.scored = False
        self._joined: list[bytes] = []
        self._joined_bytes = 0
        self._joined_keys: list[int] = []

    def put(self, request: bytes, spans: int) -> bytes:
        """Append a record; the caller accounts for where its spans came from. Returns its key."""
        self.counts["held"] += spans
        self.counts["last_id"] += 1
        key = RECORD_ID.pack(self.counts["last_id"])
        self.txn.put(key, request, db=self.databases["records"], append=True)
        self.txn.put(key, SPAN_COUNT.pack(spans), db=self.databases["counts"], append=True)
        return key

    def accept(self, request: bytes, keys: Sequence[int], alone: bool) -> None:
        """Take a request in, joined with others where it is small."""
        self.counts["accepted"] += len(keys)
        self.used_bytes += len(request)
        if alone or self._joined_bytes + len(request) > JOINED_BYTES:
            self.write_joined()
        self._joined.append(request)
        self._joined_bytes += len(request)
        self._joined_keys += keys
        if alone:
            self.write_joined()

    def write_joined(self) -> None:
        """Append what was taken in as one record."""
        if not self._joined:
            return
        record_key = self.put(b"".join(self._joined), len(self._joined_keys))
        packed = struct.pack(f"<{len(self._joined_keys)}Q", *self._joined_keys)
        self.txn.put(RECORD_ID.pack(self.now_ns) + record_key, packed, db=self.databases["repeats"])
        self.arrived = True
        self._joined, self._joined_bytes, self._joined_keys = [], 0, []

    def add_key(self, key: int) -> bool:
        """Note a span's key. False when this commit has it already."""
        if key in self.new_keys:
            return False
        self.new_keys.add(key)
        return True
