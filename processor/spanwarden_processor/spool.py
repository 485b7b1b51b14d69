"""Records of spans on disk, from acknowledgement to delivery, with the ledger that accounts for each of them.

An LMDB environment in the data directory. A record is one request as it was received (or one span that we made);
its patch says what to insert where; what is sent is the record with its patch, so that a repeated delivery is
equal to the byte. One thread writes: each of its commits carries everything that waits, and is flushed once.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spanwarden_processor.errors import SpoolFull
from spanwarden_processor.group_commit import GroupCommit, Progress, Settled
from spanwarden_processor.ledger import Ledger
from spanwarden_processor.lmdb_environment import keep_newest, open_environment, secret, used_bytes
from spanwarden_processor.repeats import RepeatWindow
from spanwarden_processor.spool_transaction import RECORD_ID, SPAN_COUNT, Transaction
from spanwarden_processor.types import Scored, VerdictSpan

INTAKE_LIMIT = 0.7
"""Share of the map at which intake stops. The rest is for patches and deletes: a full spool must be able to drain."""
REPEAT_WINDOW_NS = 15 * 60 * 1_000_000_000
KNOWN_VERDICT_SPANS = 1_000_000
KNOWN_SESSIONS = 100_000
HOUSEKEEPING_NS = 60 * 1_000_000_000

_DATABASES = ("records", "counts", "patches", "refused", "repeats", "verdict_spans", "sessions", "meta")


class Incoming(NamedTuple):
    """A request to keep: its bytes, and the key of each of its spans in their order.

    One that does not parse stays `alone`; others may be joined, since protobuf messages add up when written in a row.
    """

    request: bytes
    keys: Sequence[int]
    alone: bool = False


class Held(NamedTuple):
    """A record as it stands in the spool. `patch` is None until it has been scored."""

    record_id: int
    request: bytes
    spans: int
    patch: bytes | None


Operation = Callable[[Transaction], Any]
WithoutSpans = Callable[[bytes, Collection[int]], bytes]


class Spool:
    """The durable queue. Every method is safe from any thread; all but `submit` return when their change is on disk."""

    def __init__(self, directory: Path, map_bytes: int, without_spans: WithoutSpans) -> None:
        """Open or create the spool. `without_spans` cuts spans out of a request (`otlp`'s function).

        Raises:
            ConfigurationError: the directory cannot be written or has no room for the map.
        """
        self._map_bytes = map_bytes
        self._without_spans = without_spans
        self._environment = open_environment(directory, map_bytes, len(_DATABASES))
        self._databases = {name: self._environment.open_db(name.encode()) for name in _DATABASES}
        self._repeats = RepeatWindow(REPEAT_WINDOW_NS)
        with self._environment.begin(write=True) as txn:
            self._ledger = Ledger.unpacked(txn.get(b"ledger", db=self._databases["meta"]))
            self.seed = int.from_bytes(secret(txn, self._databases["meta"], b"seed")[:8], "big")
            self.fingerprint_key = secret(txn, self._databases["meta"], b"fingerprint")
            for _, packed in txn.cursor(self._databases["repeats"]):
                self._repeats.add(struct.unpack(f"<{len(packed) // 8}Q", packed), time.time_ns())
            self._used_bytes = used_bytes(txn, self._databases)
        self._tidied_ns = 0
        self.arrived = Progress()
        """Advances with every commit that brings records to score."""
        self.scored = Progress()
        """Advances with every commit that brings records to deliver."""
        self.commits = Progress()
        """Advances with every commit."""
        self._group: GroupCommit[Operation] = GroupCommit(self._commit)

    def close(self) -> None:
        """Finish what waits and close the files."""
        self._group.close()
        self._environment.close()

    @property
    def full(self) -> bool:
        """Whether intake is stopped."""
        return self._used_bytes >= INTAKE_LIMIT * self._map_bytes

    def put(self, incoming: Sequence[Incoming]) -> None:
        """Keep requests, without the spans that came before.

        Raises:
            SpoolFull: nothing was kept; the sender should come again.
        """
        self._group.run(self._acceptance(incoming))

    def submit(self, incoming: Sequence[Incoming], settled: Settled) -> None:
        """As `put`, but return at once; `settled` is called when the requests are on disk, or with `SpoolFull`."""
        self._group.submit(self._acceptance(incoming), settled)

    def _acceptance(self, incoming: Sequence[Incoming]) -> Operation:
        if self.full:
            raise SpoolFull

        def operation(change: Transaction) -> None:
            for each in incoming:
                self._accept(change, each)

        return operation

    def patch(self, answers: Sequence[tuple[int, Scored]], *, urgent: bool = False) -> None:
        """Note what to insert into records, which makes them ready, and keep the spans that their scoring yielded.

        An answer with the id 0 belongs to no record. Unless it is urgent, it waits for a request to share its commit.
        """

        def operation(change: Transaction) -> None:
            change.scored = True
            for record_id, scored in answers:
                key = RECORD_ID.pack(record_id)
                if record_id and change.txn.get(key, db=self._databases["records"]) is not None:
                    change.txn.put(key, scored.patch, db=self._databases["patches"], overwrite=False)
                self._generate(change, scored.verdict_spans, scored.new_sessions)

        self._group.run(operation, urgent=urgent)

    def settle(self, record_ids: Sequence[int], forwarded: int, refused: Sequence[bytes] = ()) -> None:
        """Take delivered records out. `refused` are requests of one span that the backend refused for good."""

        def operation(change: Transaction) -> None:
            for record_id in record_ids:
                key = RECORD_ID.pack(record_id)
                spans = SPAN_COUNT.unpack(change.txn.pop(key, db=self._databases["counts"]))[0]
                change.txn.delete(key, db=self._databases["records"])
                change.txn.delete(key, db=self._databases["patches"])
                change.counts["held"] -= spans
            for request in refused:
                change.counts["refused"] += 1
                change.counts["last_id"] += 1
                change.txn.put(RECORD_ID.pack(change.counts["last_id"]), request, db=self._databases["refused"])
            change.counts["forwarded"] += forwarded

        self._group.run(operation, urgent=False)

    def unscored(self, after_id: int, max_records: int, max_bytes: int) -> list[Held]:
        """The first records behind `after_id` that have no patch: at least one where there is one."""
        taken: list[Held] = []
        size = 0
        with self._environment.begin() as txn:
            cursor = txn.cursor(self._databases["records"])
            found = cursor.set_range(RECORD_ID.pack(after_id + 1))
            while found and len(taken) < max_records:
                key, value = cursor.item()
                if txn.get(key, db=self._databases["patches"]) is None:
                    size += len(value)
                    if taken and size > max_bytes:
                        break
                    taken.append(self._held(txn, key, value, None))
                found = cursor.next()
        return taken

    def ready(self, max_bytes: int) -> list[Held]:
        """The oldest scored records: at least one where there is one, then as many as `max_bytes` allows."""
        taken: list[Held] = []
        size = 0
        with self._environment.begin() as txn:
            for key, patch in txn.cursor(self._databases["patches"]):
                value = txn.get(key, db=self._databases["records"])
                size += len(value) + len(patch)
                if taken and size > max_bytes:
                    break
                taken.append(self._held(txn, key, value, patch))
        return taken

    def ledger(self) -> Ledger:
        """The ledger of the last commit."""
        with self._environment.begin() as txn:
            return Ledger.unpacked(txn.get(b"ledger", db=self._databases["meta"]))

    def counted(self) -> int:
        """Spans that are held, counted record by record: what `Ledger.held` must equal."""
        with self._environment.begin() as txn:
            return sum(SPAN_COUNT.unpack(value)[0] for _, value in txn.cursor(self._databases["counts"]))

    def used_fraction(self) -> float:
        """How much of the map holds data, 0..1."""
        with self._environment.begin() as txn:
            return used_bytes(txn, self._databases) / self._map_bytes

    def refused(self) -> Iterator[bytes]:
        """The requests, of one span each, that the backend refused for good, oldest first."""
        with self._environment.begin() as txn:
            for _, request in txn.cursor(self._databases["refused"]):
                yield request

    def known_sessions(self) -> list[str]:
        """Ids of sessions that some scorer has seen."""
        with self._environment.begin() as txn:
            return [key.decode() for key, _ in txn.cursor(self._databases["sessions"])]

    def _held(self, txn: Any, key: bytes, request: bytes, patch: bytes | None) -> Held:
        spans = SPAN_COUNT.unpack(txn.get(key, db=self._databases["counts"]))[0]
        return Held(RECORD_ID.unpack(key)[0], request, spans, patch)

    def _accept(self, change: Transaction, incoming: Incoming) -> None:
        if change.used_bytes + len(incoming.request) > INTAKE_LIMIT * self._map_bytes:
            raise SpoolFull
        known = self._repeats.known(incoming.keys)
        repeated = {index for index, key in enumerate(incoming.keys) if known[index] or not change.add_key(key)}
        change.counts["repeated"] += len(repeated)
        fresh = [key for index, key in enumerate(incoming.keys) if index not in repeated]
        if not fresh:
            return
        request = self._without_spans(incoming.request, repeated) if repeated else incoming.request
        change.accept(request, fresh, incoming.alone)

    def _generate(self, change: Transaction, spans: Sequence[VerdictSpan], sessions: Sequence[str]) -> None:
        now = RECORD_ID.pack(change.now_ns)
        for span in spans:
            if change.txn.put(span.key.encode(), now, db=self._databases["verdict_spans"], overwrite=False):
                key = change.put(span.request, 1)
                change.counts["generated"] += 1
                change.txn.put(key, b"", db=self._databases["patches"])
        for session in sessions:
            change.txn.put(session.encode(), now, db=self._databases["sessions"])

    def _commit(self, operations: Sequence[Operation]) -> None:
        now_ns = time.time_ns()
        with self._environment.begin(write=True) as txn:
            change = Transaction(txn, self._databases, self._ledger, self._used_bytes, now_ns)
            for operation in operations:
                operation(change)
            change.write_joined()
            if now_ns - self._tidied_ns > HOUSEKEEPING_NS:
                self._tidy(change)
            ledger = Ledger(**change.counts)
            txn.put(b"ledger", ledger.packed(), db=self._databases["meta"])
            used = used_bytes(txn, self._databases)
        self._used_bytes = used
        self._ledger = ledger
        self._repeats.add(change.new_keys, now_ns)
        for progress, made in ((self.arrived, change.arrived), (self.scored, change.scored), (self.commits, True)):
            if made:
                progress.advance()

    def _tidy(self, change: Transaction) -> None:
        """Forget what is too old or too much; free the pages that a killed reader pins."""
        self._tidied_ns = change.now_ns
        self._environment.reader_check()
        self._repeats.expire(change.now_ns)
        cursor = change.txn.cursor(self._databases["repeats"])
        oldest = RECORD_ID.pack(max(0, change.now_ns - REPEAT_WINDOW_NS))
        while cursor.first() and cursor.key()[:8] < oldest:
            cursor.delete()
        keep_newest(change.txn, self._databases["verdict_spans"], KNOWN_VERDICT_SPANS)
        keep_newest(change.txn, self._databases["sessions"], KNOWN_SESSIONS)
