"""What scoring is told: one immutable value, made by the owner and sent to the scorer process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

EvidenceMode: TypeAlias = Literal["quote", "offsets", "none"]
"""What is written of the evidence: quotes, only where it stands, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is read and kept. What goes beyond is counted, and never called clear."""

    step_characters: int = 256 * 1024
    """Text read of one step; of a longer one the head and the tail."""
    span_characters: int = 4 * 1024 * 1024
    """JSON read of one attribute, beyond what was read of it before."""
    sessions: int = 10_000
    """Sessions whose state is held; those that were idle longest go first."""
    session_keys: int = 20_000
    """Digests by which one session recognises what it has been shown."""
    state_bytes: int = 256 * 1024 * 1024
    """Estimated size of all sessions' state."""
    findings_per_session: int = 256
    """Findings that one session may have; more are dropped and counted."""
    known_sessions: int = 200_000
    """Ids of earlier sessions by which a session is recognised as not whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringSettings:
    """Settings of the scorer process."""

    seed: int
    """Secret of one installation: keys every digest. 64 bits."""
    fingerprint_key: bytes
    """Secret of one installation: keys the fingerprints of secrets."""
    monitor: str
    """Written on every judged span as `misalignment.monitor`."""
    evidence: EvidenceMode = "quote"
    session_idle_seconds: float = 300.0
    """A session without spans for this long is reported as it stands."""
    approval_sources: tuple[str, ...] = ()
    """Values of `spanwarden.approval.source` whose approvals count as trusted text."""
    limits: Limits = Limits()
