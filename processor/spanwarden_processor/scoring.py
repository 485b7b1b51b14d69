"""The owner's side of scoring: records out of the spool to the scorer process, its answers back as patches.

A scorer that dies or hangs is replaced. What it had in hand is then tried once more, each record alone; one that
fails again is forwarded with status `error`, so that no input can stop the spans behind it.
"""

from __future__ import annotations

import logging
import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NamedTuple

from spanwarden_processor.group_commit import Progress
from spanwarden_processor.scorer_process import READY, Answer, BuildScorer, Record, Work, run
from spanwarden_processor.spool import Spool
from spanwarden_processor.store import Store
from spanwarden_processor.telemetry import Counters
from spanwarden_processor.types import Scored

WINDOW = 3
"""Batches that a scorer may have in hand: enough to hide the way there and the commit on the way back."""
BATCH_BYTES = 1024 * 1024
BATCH_RECORDS = 128
TICK_SECONDS = 1.0
START_SECONDS = 60.0
POLL_SECONDS = 0.05
FAILED_STARTS = 3
"""Scorers that never got ready, in a row, after which spans are forwarded unscored."""
LONGEST_PAUSE_SECONDS = 30.0

MarkFailed = Callable[[bytes], bytes]
"""The patch that says of a request's spans that they could not be judged."""

_log = logging.getLogger(__name__)


class ScoringParts(NamedTuple):
    """What scoring works with."""

    spool: Spool
    store: Store
    build: BuildScorer
    known_sessions: Callable[[], Sequence[str]]
    mark_failed: MarkFailed
    counters: Counters


class _Scorer:
    """One scorer process, and how it is doing."""

    def __init__(self, build: BuildScorer) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe: Connection
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=run, args=(theirs, build), name="scorer", daemon=True)
        self._process.start()
        theirs.close()
        self.slots = threading.Semaphore(WINDOW)
        self.in_hand: list[Work] = []
        self.answered = Progress()
        self.ready = False
        self.lost: str | None = None
        self._silent_since = time.monotonic()

    def tell(self, known_sessions: Sequence[str]) -> None:
        """Say what it waits for before it gets ready. This may take as long as its start."""
        with suppress(OSError):
            self.pipe.send(known_sessions)

    def send(self, work: Work) -> None:
        if not self.in_hand:
            self._silent_since = time.monotonic()
        self.in_hand.append(work)
        with suppress(OSError):  # the reader finds the same pipe closed, and says why
            self.pipe.send(work)

    def receive(self, timeout_seconds: float) -> Answer | None:
        """The next answer, None when there is none yet."""
        try:
            if not self.pipe.poll(POLL_SECONDS):
                self._check(timeout_seconds if self.ready else START_SECONDS)
                return None
            message = self.pipe.recv()
        except (EOFError, OSError):
            self.give_up(f"died with exit code {self._exit_code()}")
            return None
        self._silent_since = time.monotonic()
        if message == READY:
            self.ready = True
            return None
        return message if isinstance(message, Answer) else None

    def give_up(self, reason: str) -> None:
        """Note why this scorer is of no more use, and end it."""
        self.lost = self.lost or reason
        self._process.kill()

    def end(self) -> None:
        """Wait until the process is gone."""
        self._process.kill()
        self._process.join()
        self.pipe.close()

    def _check(self, timeout_seconds: float) -> None:
        silent = time.monotonic() - self._silent_since
        if (self.in_hand or not self.ready) and silent > timeout_seconds:
            self.give_up(f"did not answer for {timeout_seconds:g} s")

    def _exit_code(self) -> int | None:
        self._process.join(1)
        return self._process.exitcode


class Scoring:
    """Keeps one scorer at work until it is stopped."""

    def __init__(self, parts: ScoringParts, timeout_seconds: float) -> None:
        self._parts = parts
        self._timeout_seconds = timeout_seconds
        self._sent_to = 0
        self._alone_to = 0
        self._failed_starts = 0
        self._ticked = 0.0
        self._stopping = threading.Event()
        self._scorer: _Scorer | None = None

    @property
    def ready(self) -> bool:
        """Whether a scorer is at work."""
        return self._scorer is not None and self._scorer.ready and self._scorer.lost is None

    def run(self) -> None:
        """Score until stopped."""
        while not self._stopping.is_set():
            scorer = self._scorer = _Scorer(self._parts.build)
            reader = threading.Thread(target=self._read, args=(scorer,), name="scorer-answers", daemon=True)
            reader.start()
            scorer.tell(self._parts.known_sessions())
            while scorer.lost is None and not self._stopping.is_set():
                self._feed(scorer)
            scorer.give_up("is stopped")
            reader.join()
            scorer.end()
            if not self._stopping.is_set():
                self._take_over(scorer)

    def stop(self) -> None:
        """Stop; what is not scored stays in the spool."""
        self._stopping.set()

    def _feed(self, scorer: _Scorer) -> None:
        """Send the next records, or a tick when it is time for one."""
        alone = self._alone
        progress = scorer.answered if alone else self._parts.spool.arrived
        seen = progress.value
        if not scorer.ready or not scorer.slots.acquire(timeout=POLL_SECONDS):
            self._stopping.wait(0 if scorer.ready else POLL_SECONDS)
            return
        records = [] if alone and scorer.in_hand else self._next_records(alone)
        if records or self._is_time_to_tick():
            scorer.send(Work(records, time.time_ns()))
            self._sent_to = max(self._sent_to, *(record.record_id for record in records), 0)
        else:
            scorer.slots.release()
            progress.wait(seen, POLL_SECONDS)

    @property
    def _alone(self) -> bool:
        """Whether the next records are some that a lost scorer had in hand, which are tried one by one."""
        return self._sent_to < self._alone_to

    def _next_records(self, alone: bool) -> Sequence[Record]:
        limits = (1, 1) if alone else (BATCH_RECORDS, BATCH_BYTES)
        return [Record(held.record_id, held.request) for held in self._parts.spool.unscored(self._sent_to, *limits)]

    def _is_time_to_tick(self) -> bool:
        now = time.monotonic()
        due = now - self._ticked >= TICK_SECONDS
        self._ticked = now if due else self._ticked
        return due

    def _read(self, scorer: _Scorer) -> None:
        """Take the answers of one scorer until it is lost."""
        while scorer.lost is None:
            if answer := scorer.receive(self._timeout_seconds):
                self._keep_answer(scorer, answer)

    def _keep_answer(self, scorer: _Scorer, answer: Answer) -> None:
        try:
            self._keep(answer.scored)
        except Exception:  # noqa: BLE001 - what could not be kept counts as not scored, and is scored again
            _log.exception("an answer of the scorer could not be kept")
            scorer.give_up("gave an answer that could not be kept")
            return
        scorer.in_hand.pop(0)
        scorer.answered.advance()
        self._failed_starts = 0
        scorer.slots.release()

    def _take_over(self, scorer: _Scorer) -> None:
        """Decide what becomes of the records that a lost scorer had in hand."""
        self._parts.counters.add("scorer_restarts")
        _log.warning("the scorer %s; a new one is started", scorer.lost)
        lost = [record for work in scorer.in_hand for record in work.records]
        if not scorer.ready:
            self._failed_starts += 1
            self._pause()
        elif len(lost) == 1 and lost[0].record_id <= self._alone_to:
            self._keep([(lost[0].record_id, None)])
        elif lost:
            self._alone_to = max(record.record_id for record in lost)
            self._sent_to = lost[0].record_id - 1

    def _pause(self) -> None:
        """Wait before the next start. Spans do not wait for a scorer that will not start."""
        until = time.monotonic() + min(2**self._failed_starts / 4, LONGEST_PAUSE_SECONDS)
        while time.monotonic() < until and not self._stopping.is_set():
            seen = self._parts.spool.arrived.value
            records = self._next_records(alone=False) if self._failed_starts >= FAILED_STARTS else ()
            if records:
                self._keep([(record.record_id, None) for record in records])
                self._sent_to = records[-1].record_id
            else:
                self._parts.spool.arrived.wait(seen, POLL_SECONDS)

    def _keep(self, scored: Sequence[tuple[int, Scored | None]]) -> None:
        """Store findings, then commit the patches with the spans that scoring yielded."""
        answers = [(record_id, each or self._failed(record_id)) for record_id, each in scored]
        findings = [finding for _, each in answers for finding in each.findings]
        summaries = [summary for _, each in answers for summary in each.summaries]
        if findings or summaries:
            try:
                self._parts.store.add(findings, summaries)
            except sqlite3.Error:
                _log.exception("findings could not be stored; they stand on the spans all the same")
        self._parts.spool.patch(answers, urgent=self._alone)
        for _, each in answers:
            self._parts.counters.add_all(each.counts)

    def _failed(self, record_id: int) -> Scored:
        self._parts.counters.add("scorer_failed_records")
        held = self._parts.spool.unscored(record_id - 1, 1, 1)
        return Scored(self._parts.mark_failed(held[0].request) if held else b"")
