"""The scorer process: records come in by pipe, what to write on them goes back. It owns the sessions' state.

No gRPC and no file is used here, so that the process can be killed and replaced at any moment.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple

from spanwarden_processor.allocator import TimedCollection
from spanwarden_processor.types import Scored

READY = "ready"
"""The first message of a scorer: it is built and waits for work."""

_log = logging.getLogger(__name__)


class Record(NamedTuple):
    """A request to score, and the spool's number for it."""

    record_id: int
    request: bytes


class Work(NamedTuple):
    """Records to score in their order, at a time; without records it is a tick of the clock."""

    records: Sequence[Record]
    now_ns: int


class Answer(NamedTuple):
    """What came of each record of one Work; None where scoring it failed. A tick's answer has the id 0."""

    scored: Sequence[tuple[int, Scored | None]]


class ScoreFunctions(NamedTuple):
    """What a scorer does: score a record (bytes, now), and act on the passing of time (now)."""

    score: Callable[[bytes, int], Scored]
    tick: Callable[[int], Scored]


BuildScorer = Callable[[Sequence[str]], ScoreFunctions]
"""Builds the scorer inside the new process, given the sessions that an earlier one knew. It must be picklable."""


def run(pipe: Connection, build: BuildScorer) -> None:
    """Answer until the pipe closes, which it does when the owner ends for whatever reason.

    The first message is the known sessions. They are no argument, because what starts a process waits for ever until
    its arguments are read, also when the process has died.
    """
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)  # a terminal signals the whole group; the owner decides when to end
    try:
        known_sessions = pipe.recv()
    except (EOFError, OSError):
        return
    functions = build(known_sessions)
    collection = TimedCollection()
    try:
        pipe.send(READY)
        while True:
            pipe.send(_answer(functions, pipe.recv()))
            collection.when_due()
    except (EOFError, OSError):
        return


def _answer(functions: ScoreFunctions, work: Work) -> Answer:
    if not work.records:
        return Answer([(0, functions.tick(work.now_ns))])
    return Answer([(record.record_id, _score(functions, record, work.now_ns)) for record in work.records])


def _score(functions: ScoreFunctions, record: Record, now_ns: int) -> Scored | None:
    try:
        return functions.score(record.request, now_ns)
    except Exception:  # noqa: BLE001 - an error in scoring must cost neither the span nor the sessions' state
        _log.exception("a record could not be scored; its spans are forwarded with status error")
        return None
