"""Many callers, one writer: whatever waits goes into one commit, which is flushed to disk once.

Several processes that commit for themselves reach 130 to 1,800 records a second, one writer with 64 callers 15,000.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, NamedTuple, TypeAlias, TypeVar

Operation = TypeVar("Operation")

MAX_OPERATIONS = 512
"""Operations in one commit."""
PATIENCE_SECONDS = 0.02
"""How long a patient operation waits for an urgent one to share a commit with."""
CROWD = 6
"""A commit that held so many urgent operations had callers in a crowd: the next one waits for more of them."""
CROWD_SECONDS = 0.003


Settled: TypeAlias = Callable[[BaseException | None], None]
"""Called once when an operation is on disk, or with the error that it raised."""

_log = logging.getLogger(__name__)


class _Waiting(NamedTuple, Generic[Operation]):
    operation: Operation
    settled: Settled
    urgent: bool


class Progress:
    """A number that grows, and a way to wait for that."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.value = 0

    def advance(self) -> None:
        """Let it grow, and wake who waits."""
        with self._changed:
            self.value += 1
            self._changed.notify_all()

    def wait(self, seen: int, timeout_seconds: float) -> None:
        """Wait until the value is another than `seen`, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self.value != seen, timeout_seconds)


class GroupCommit(Generic[Operation]):
    """A thread that commits operations for all others.

    `commit` makes the changes of all operations durable, or raises and changes nothing. How many operations wait is
    bounded by the threads that call `run`, each of which waits for its own, and by those who `submit`.
    """

    def __init__(self, commit: Callable[[Sequence[Operation]], None]) -> None:
        self._commit = commit
        self._waiting: queue.SimpleQueue[_Waiting[Operation] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation, settled: Settled) -> None:
        """Commit an operation soon; `settled` is called on the committing thread."""
        self._waiting.put(_Waiting(operation, settled, urgent=True))

    def run(self, operation: Operation, *, urgent: bool = True) -> None:
        """Commit an operation together with whatever else waits. Raises what the operation raised.

        One that is not urgent may wait for a while (`PATIENCE_SECONDS`), so that it costs no flush of its own.
        """
        errors: list[BaseException] = []
        done = threading.Lock()  # a bare lock, because a Future costs ten times as much
        done.acquire()

        def settled(error: BaseException | None) -> None:
            if error is not None:
                errors.append(error)
            done.release()

        self._waiting.put(_Waiting(operation, settled, urgent))
        done.acquire()
        for error in errors:
            raise error

    def close(self) -> None:
        """Commit what waits and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _write(self) -> None:
        crowded = False
        while batch := self._next_batch(crowded):
            errors = self._committed(batch)
            for waiting, error in zip(batch, errors, strict=True):
                try:
                    waiting.settled(error)
                except Exception:  # noqa: BLE001 - a caller that cannot be told must not keep others from being told
                    _log.exception("the caller of a commit could not be told")
            crowded = sum(waiting.urgent for waiting in batch) >= CROWD

    def _committed(self, batch: Sequence[_Waiting[Operation]]) -> list[BaseException | None]:
        """Commit all operations, or one by one where that fails: one must not fail those that share its commit."""
        try:
            self._commit([waiting.operation for waiting in batch])
        except Exception as error:  # noqa: BLE001 - it is the caller's, who waits for it
            return [error] if len(batch) == 1 else [each for one in batch for each in self._committed([one])]
        return [None] * len(batch)

    def _next_batch(self, crowded: bool) -> list[_Waiting[Operation]]:
        """Everything that waits, at least one; empty when the thread is to end."""
        batch: list[_Waiting[Operation]] = []
        following = self._waiting.get()
        if crowded:
            time.sleep(CROWD_SECONDS)
        patient_until = time.monotonic() + PATIENCE_SECONDS
        urgent = False
        with suppress(queue.Empty):
            while following is not None:
                batch.append(following)
                if len(batch) == MAX_OPERATIONS:
                    return batch
                urgent = urgent or following.urgent
                left = 0.0 if urgent else max(0.0, patient_until - time.monotonic())
                following = self._waiting.get(timeout=left)
            if batch:
                self._waiting.put(None)
        return batch
