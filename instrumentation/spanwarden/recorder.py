"""Everything that records, put together for one pair of providers."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry._logs import Logger
from opentelemetry.trace import Tracer

from spanwarden.announced import Announced
from spanwarden.chat import Chats
from spanwarden.content import ContentMode
from spanwarden.guard import Counts
from spanwarden.roots import OpenRoots
from spanwarden.sessions import Sessions
from spanwarden.spans import Spans


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Recorder:
    """The parts that share one state."""

    chats: Chats
    announced: Announced
    sessions: Sessions
    roots: OpenRoots
    counts: Counts

    def after_fork(self) -> None:
        """Make a child process independent of its parent's locks and open spans."""
        self.sessions.after_fork()
        self.roots.after_fork()


def new_recorder(tracer: Tracer, logger: Logger, mode: ContentMode) -> Recorder:
    """A recorder that knows of no session yet."""
    counts = Counts()
    roots = OpenRoots(counts)
    sessions = Sessions(counts)
    spans = Spans(tracer, logger, mode, counts)
    return Recorder(Chats(spans, sessions, roots, counts), Announced(spans, sessions, counts), sessions, roots, counts)
