"""Everything that records, put together for one pair of providers."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry._logs import Logger
from opentelemetry.metrics import Meter
from opentelemetry.trace import Tracer

from spanwarden.announced import Announced
from spanwarden.calls import Calls
from spanwarden.content import ContentMode
from spanwarden.guard import Counts
from spanwarden.metrics import Metrics
from spanwarden.roots import OpenRoots
from spanwarden.sessions import Sessions
from spanwarden.spans import Spans


@dataclass(frozen=True, slots=True)
class Recorder:
    """The parts that share one state."""

    calls: Calls
    announced: Announced
    sessions: Sessions
    roots: OpenRoots
    counts: Counts

    def after_fork(self) -> None:
        """Make a child process independent of its parent's locks and open spans."""
        self.sessions.after_fork()
        self.roots.after_fork()
        self.calls.streams.after_fork()

    def finish(self) -> None:
        """End what is open, in a process that is about to."""
        self.calls.streams.close_all()
        self.roots.close_all()

    def stop(self) -> None:
        """Let further calls pass, and end what is open."""
        self.calls.stop()
        self.calls.streams.stop()
        self.roots.stop()


def new_recorder(tracer: Tracer, logger: Logger, meter: Meter, mode: ContentMode) -> Recorder:
    """A recorder that knows of no session yet."""
    counts = Counts()
    roots = OpenRoots(counts)
    sessions = Sessions(counts)
    metrics = Metrics(meter)
    spans = Spans(tracer, logger, mode, counts)
    calls = Calls(spans, sessions, roots, metrics, counts)
    return Recorder(calls, Announced(spans, sessions, metrics, counts), sessions, roots, counts)
