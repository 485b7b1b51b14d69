"""Runs that were inferred: one open root span each, ended by an answer, by silence, by the bound, or at exit."""

from __future__ import annotations

import atexit
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.trace import Span, Status, StatusCode

from spanwarden import names
from spanwarden.guard import Counts

IDLE_SECONDS: Final = 300.0
"""Silence after which a run counts as over. Should it go on after all, its spans still join the same root."""
OPEN_LIMIT: Final = 1_024
"""Roots that may be open at once; the one that was silent longest is ended for a new one."""


@dataclass(slots=True, eq=False)
class Turn:
    """One run from a user's message to the answer without tool calls, and its root span.

    `last_ns` is when something last happened in it, `recorded` whether it is sampled, `finished` whether the answer
    came. The token counts are the
    sums over its model calls.
    """

    root: Span
    last_ns: int
    recorded: bool
    finished: bool = False
    error_type: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    finish_reasons: tuple[str, ...] = ()
    _touched_seconds: float = 0.0

    def end(self) -> None:
        """End the root where the run last did something."""
        if not self.root.is_recording():
            return
        attributes: dict[str, Any] = {names.USAGE_INPUT: self.input_tokens, names.USAGE_OUTPUT: self.output_tokens}
        if self.finish_reasons:
            attributes[names.RESPONSE_FINISH_REASONS] = self.finish_reasons
        if self.error_type is not None:
            attributes[names.ERROR_TYPE] = self.error_type
            self.root.set_status(Status(StatusCode.ERROR))
        self.root.set_attributes(attributes)
        self.root.end(self.last_ns)


class OpenRoots:
    """Sees to it that every root ends. Thread-safe; one daemon thread waits while roots are open."""

    def __init__(self, counts: Counts, idle_seconds: float = IDLE_SECONDS, limit: int = OPEN_LIMIT) -> None:
        self._counts = counts
        self._idle_seconds = idle_seconds
        self._limit = limit
        self._start_empty()

    def _start_empty(self) -> None:
        self._turns: OrderedDict[int, Turn] = OrderedDict()
        self._changed = threading.Condition()
        self._watcher: threading.Thread | None = None
        self._at_exit = False

    def after_fork(self) -> None:
        """Forget the parent's roots, which the parent ends."""
        self._start_empty()

    def __len__(self) -> int:
        return len(self._turns)

    def open(self, turn: Turn) -> None:
        """Take a new root in."""
        turn._touched_seconds = time.monotonic()
        with self._changed:
            self._turns[id(turn)] = turn
            evicted = self._turns.popitem(last=False)[1] if len(self._turns) > self._limit else None
            self._watch()
        if evicted is not None:
            self._counts.roots_evicted += 1
            evicted.end()

    def touch(self, turn: Turn, now_ns: int) -> None:
        """Note that something happened in a run."""
        turn.last_ns = max(turn.last_ns, now_ns)
        turn._touched_seconds = time.monotonic()
        with self._changed:
            if id(turn) in self._turns:
                self._turns.move_to_end(id(turn))

    def close(self, turn: Turn) -> None:
        """End a run's root; once, whoever comes first."""
        with self._changed:
            mine = self._turns.pop(id(turn), None)
        if mine is not None:
            mine.end()

    def close_all(self) -> None:
        """End every open root."""
        with self._changed:
            turns = list(self._turns.values())
            self._turns.clear()
        for turn in turns:
            turn.end()

    def stop(self) -> None:
        """End every open root and the thread, and forget about the exit of the process."""
        self.close_all()
        with self._changed:
            self._changed.notify_all()
        atexit.unregister(self.close_all)
        self._at_exit = False

    def _watch(self) -> None:
        if not self._at_exit:
            # Registered now and not earlier: exit handlers run last in, first out, and ours must come before
            # the one that shuts the provider down.
            atexit.register(self.close_all)
            self._at_exit = True
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._end_idle, name="spanwarden-idle", daemon=True)
            self._watcher.start()

    def _end_idle(self) -> None:
        while (turn := self._next_idle()) is not None:
            self._counts.roots_idle += 1
            turn.end()

    def _next_idle(self) -> Turn | None:
        """Wait for a root to fall silent. `None` when none is open any more, and the thread may end.

        Nobody wakes the thread: a root that comes meanwhile falls due later than the one that it waits for.
        """
        with self._changed:
            while self._turns:
                turn = next(iter(self._turns.values()))
                left_seconds = turn._touched_seconds + self._idle_seconds - time.monotonic()
                if left_seconds <= 0:
                    return self._turns.pop(id(turn))
                self._changed.wait(left_seconds)
            self._watcher = None
            return None
