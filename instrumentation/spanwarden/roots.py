"""Runs that were inferred: one open root span each, ended by an answer, by silence, by the bound, or at exit."""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from opentelemetry.trace import Span, Status, StatusCode

from spanwarden import names
from spanwarden.guard import Counts, recording
from spanwarden.totals import Totals

IDLE_SECONDS: Final = 300.0
"""Silence after which a run counts as over. Should it go on after all, its spans still join the same root."""
OPEN_LIMIT: Final = 1_024
"""Roots that may be open at once; the one that was silent longest is ended for a new one."""


@dataclass(slots=True, eq=False)
class Turn:
    """One run from a user's message to the answer without tool calls, and its root span.

    `last_ns` is when something last happened in it, `finished` whether the answer came.
    """

    root: Span
    last_ns: int
    finished: bool = False
    error_type: str | None = None
    totals: Totals = field(default_factory=Totals)
    touched_seconds: float = 0.0

    def touch(self, now_ns: int) -> None:
        """Note that something happened."""
        if now_ns > self.last_ns:
            self.last_ns = now_ns
        self.touched_seconds = time.monotonic()

    def end(self) -> None:
        """End the root where the run last did something."""
        if not self.root.is_recording():
            return
        attributes = self.totals.attributes()
        if self.error_type is not None:
            attributes[names.ERROR_TYPE] = self.error_type
            self.root.set_status(Status(StatusCode.ERROR))
        self.root.set_attributes(attributes)
        self.root.end(self.last_ns)


class OpenRoots:
    """Sees to it that every root ends. Thread-safe; one daemon thread waits while roots are open."""

    def __init__(self, counts: Counts, idle_seconds: float = IDLE_SECONDS, limit: int = OPEN_LIMIT) -> None:
        self.counts = counts
        self._idle_seconds = idle_seconds
        self._limit = limit
        self._start_empty()

    def _start_empty(self) -> None:
        self._turns: dict[int, Turn] = {}
        self._lock = threading.RLock()  # a collection inside of it may close an abandoned call, which comes back
        self._changed = threading.Condition(self._lock)
        self._watcher: threading.Thread | None = None
        self._at_exit = False

    def after_fork(self) -> None:
        """Forget the parent's roots, which the parent ends."""
        self._start_empty()

    def __len__(self) -> int:
        return len(self._turns)

    def open(self, turn: Turn) -> None:
        """Take a new root in."""
        turn.touch(turn.last_ns)
        evicted: Turn | None = None
        with self._lock:
            if len(self._turns) >= self._limit:
                evicted = self._turns.pop(id(self._longest_silent()))
            self._turns[id(turn)] = turn
            self._watch()
        if evicted is not None:
            self.counts.roots_evicted += 1
            self._end(evicted)

    def _longest_silent(self) -> Turn:
        return min(self._turns.values(), key=lambda turn: turn.touched_seconds)

    def close(self, turn: Turn) -> None:
        """End a run's root; once, whoever comes first."""
        with self._lock:
            mine = self._turns.pop(id(turn), None)
        if mine is not None:
            self._end(mine)

    def close_all(self) -> None:
        """End every open root."""
        with self._lock:
            turns = list(self._turns.values())
            self._turns.clear()
        for turn in turns:
            self._end(turn)

    def stop(self) -> None:
        """End every open root and the thread, and forget about the exit of the process."""
        self.close_all()
        with self._changed:
            self._changed.notify_all()
        atexit.unregister(self.close_all)
        self._at_exit = False

    @recording
    def _end(self, turn: Turn) -> None:
        """End a root; what span processors raise is the concern of nobody here."""
        turn.end()

    def _watch(self) -> None:
        if not self._at_exit:
            # Registered now and not earlier: exit handlers run last in, first out, and ours must come before
            # the one that shuts the provider down.
            atexit.register(self.close_all)
            self._at_exit = True
        if self._watcher is None:
            watcher = threading.Thread(target=self._end_idle, name="spanwarden-idle", daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread can start any more: the exit handler is near
                watcher.start()
                self._watcher = watcher

    def _end_idle(self) -> None:
        while (turn := self._next_idle()) is not None:
            self.counts.roots_idle += 1
            self._end(turn)

    def _next_idle(self) -> Turn | None:
        """Wait for a root to fall silent. `None` when none is open any more, and the thread may end.

        Nobody wakes the thread: a root that comes meanwhile falls due later than the one that it waits for.
        """
        with self._changed:
            while self._turns:
                turn = self._longest_silent()
                left_seconds = turn.touched_seconds + self._idle_seconds - time.monotonic()
                if left_seconds <= 0:
                    return self._turns.pop(id(turn))
                self._changed.wait(left_seconds)
            self._watcher = None
            return None
