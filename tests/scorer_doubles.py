"""Scorers that run in a real process and misbehave on demand; what a request holds says how."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from spanwarden_processor.scorer_process import ScoreFunctions
from spanwarden_processor.types import Scored


def dies_every_time(request: bytes) -> None:
    """End the process without a word, as the kernel's out-of-memory killer would."""
    if b"kill-me" in request:
        os.kill(os.getpid(), signal.SIGKILL)


def score(request: bytes, _: int) -> Scored:
    """Patch with the request itself, unless it asks for trouble."""
    dies_every_time(request)
    if b"hang" in request:
        threading.Event().wait()
    if b"raise" in request:
        raise ValueError("asked for")
    if b"kill-once" in request:
        marker = Path(request.decode().split()[1])
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return Scored(b"patch of " + request, counts={"verdicts:clear:ok": 1})


def tick(_: int) -> Scored:
    return Scored(b"", new_sessions=("ticked",))


def build(_: Sequence[str]) -> ScoreFunctions:
    return ScoreFunctions(score, tick)


def build_never(_: Sequence[str]) -> ScoreFunctions:
    """A scorer that cannot start, because a module is missing, say."""
    raise SystemExit(3)


def build_from_known(known_sessions: Sequence[str]) -> ScoreFunctions:
    """A scorer that answers with the sessions that it was told of."""
    answer = ",".join(sorted(known_sessions)).encode()
    return ScoreFunctions(lambda _request, _now: Scored(answer), lambda _now: Scored(b""))


class DiesOnceAtStart:
    """A way to build a scorer that kills the first process that reads it, long before that is ready."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __call__(self, known_sessions: Sequence[str]) -> ScoreFunctions:
        return build(known_sessions)

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__dict__ = state
        if not self._marker.exists():
            self._marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
