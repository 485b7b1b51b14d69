"""One session as assembly holds it: what detection sees of it, what it has been shown, what was found in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

from spanwarden_processor.history import History
from spanwarden_processor.recall import Counts, Identity, Recall
from spanwarden_processor.scoring_settings import Limits
from spanwarden_processor.session import Session
from spanwarden_processor.types import JudgedFinding, Status

CHANNELS_KEPT: Final = 16
_BYTES_EMPTY: Final = 4_000
_BYTES_PER_KEY: Final = 300
_BYTES_OF_TEXT_MAX: Final = 512 * 1024

STATUS_ORDER: Final[tuple[Status, ...]] = ("ok", "partial", "no_content", "redacted", "truncated", "error")
"""From the best to the worst: of several the last one is told."""


class TrackedSession:
    """A session's state. `partial` says that something of it was never seen or has been forgotten."""

    def __init__(self, session_id: str, service: str, seed: int, limits: Limits) -> None:
        """Start empty."""
        self.session = Session(session_id, service)
        self.session_id = session_id
        self.service = service
        self.named = False
        """Whether its id comes from a name that the spans carry, not from a trace id."""
        self.missing = False
        """Whether spans of it were seen by an earlier process, or before its state was dropped."""
        self.forgot = False
        """Whether detection has had to forget something of it."""
        self.recall = Recall(seed, limits.session_keys)
        self.messages = History(seed)
        self.instructions = History(seed)
        self.findings_count = 0
        self.rolled_up = 0
        """How many findings the latest span about the whole session told of."""
        self._findings: dict[Identity, tuple[JudgedFinding, ...]] = {}
        self.status: Status = "ok"
        """The worst status of its spans."""
        self.judged = False
        """Whether any of its spans showed something that was judged."""
        self.trace_id = b""
        self.last_ns = 0
        self.idle = False
        self.reported: tuple[object, ...] = ()
        """What its last summary was based on."""
        self._channels: dict[tuple[str, str], Counts] = {}
        self.weight_bytes = 0
        """Its weight when it was last taken."""
        self.text_characters = 0
        """Of the steps that were handed on."""

    @property
    def partial(self) -> bool:
        """Whether a judgement of it may lack something."""
        return self.missing or self.forgot or self.recall.evicted

    def found(self, identity: Identity, findings: Sequence[JudgedFinding]) -> None:
        """Keep the findings that a step completed."""
        if findings:
            self._findings[identity] = tuple(findings)
            self.findings_count += len(findings)

    def findings_of(self, identities: Iterable[Identity]) -> tuple[JudgedFinding, ...]:
        """The findings that these steps completed."""
        if not self._findings:
            return ()
        return tuple(finding for identity in identities for finding in self._findings.get(identity, ()))

    @property
    def all_findings(self) -> tuple[JudgedFinding, ...]:
        """Every finding, the first one first."""
        return tuple(chain.from_iterable(self._findings.values()))

    def weigh(self) -> int:
        """Estimate how much memory it takes, and tell how much that has grown. The text that is kept is bounded."""
        text_bytes = min(self.text_characters, _BYTES_OF_TEXT_MAX)
        weight_bytes = _BYTES_EMPTY + _BYTES_PER_KEY * self.recall.keys + text_bytes
        grown_bytes, self.weight_bytes = weight_bytes - self.weight_bytes, weight_bytes
        return grown_bytes

    def channel(self, operation: str, scope: str) -> Counts:
        """What has been shown of this kind of thing by this instrumentation: of several each shows a step once.

        Beyond the limit of channels, all others share one.
        """
        counts = self._channels.get((operation, scope))
        if counts is None:
            name = (operation, scope) if len(self._channels) < CHANNELS_KEPT else ("", "")
            counts = self._channels.setdefault(name, {})
        return counts


def worse(first: Status, second: Status) -> Status:
    """The worse of two."""
    if first == second or second == "ok":
        return first
    return max(first, second, key=STATUS_ORDER.index)
