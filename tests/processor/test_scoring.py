"""Scoring by a process that may die, hang or raise: every record becomes ready."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import scorer_doubles
from spanwarden_processor import scoring
from spanwarden_processor.scorer_process import BuildScorer
from spanwarden_processor.scoring import Scoring, ScoringParts
from spanwarden_processor.spool import Incoming, Spool
from spanwarden_processor.store import Store
from spanwarden_processor.telemetry import Counters
from spanwarden_processor.types import Scored

MIB = 1024 * 1024


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool", 16 * MIB, lambda request, _: request)
    yield opened
    opened.close()


@contextmanager
def scored_by(
    spool: Spool, tmp_path: Path, build: BuildScorer = scorer_doubles.build, timeout_seconds: float = 10
) -> Iterator[tuple[Scoring, Counters]]:
    counters = Counters()
    store = Store(tmp_path)
    parts = ScoringParts(spool, store, build, spool.known_sessions, lambda _: b"failed", counters)
    running = Scoring(parts, timeout_seconds)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        yield running, counters
    finally:
        running.stop()
        thread.join()
        store.close()


def keep(spool: Spool, *requests: str) -> None:
    for request in requests:
        spool.put([Incoming(request.encode(), [hash(request) % 2**64])])


def patches(spool: Spool, count: int) -> dict[str, str]:
    """The patch of each record, once there are `count` of them."""
    wait_until(spool, lambda: len(spool.ready(MIB)) >= count)
    return {held.request.decode(): (held.patch or b"").decode() for held in spool.ready(MIB)}


def wait_until(spool: Spool, condition: Callable[[], bool]) -> None:
    for _ in range(200):
        seen = spool.commits.value
        if condition():
            return
        spool.commits.wait(seen, 0.2)
    raise AssertionError("it did not come about")


def test_every_record_gets_the_patch_that_was_made_for_it(spool: Spool, tmp_path: Path) -> None:
    names = [f"record {number}" for number in range(500)]

    with scored_by(spool, tmp_path) as (_, counters):
        keep(spool, *names)
        made = patches(spool, 500)

    assert made == {name: f"patch of {name}" for name in names}
    assert counters.sample()["verdicts:clear:ok"] == 500


def test_records_kept_before_the_start_are_scored_too(spool: Spool, tmp_path: Path) -> None:
    keep(spool, "a", "b")

    with scored_by(spool, tmp_path):
        assert patches(spool, 2) == {"a": "patch of a", "b": "patch of b"}


def test_a_record_that_killed_a_scorer_is_tried_once_more(spool: Spool, tmp_path: Path) -> None:
    fatal_once = f"kill-once {tmp_path / 'killed'}"
    keep(spool, "before", fatal_once, "after")

    with scored_by(spool, tmp_path) as (_, counters):
        made = patches(spool, 3)

    assert made == {name: f"patch of {name}" for name in ("before", fatal_once, "after")}
    assert counters.sample()["scorer_restarts"] == 1


def test_a_record_that_kills_every_scorer_is_marked_and_its_neighbours_are_scored(spool: Spool, tmp_path: Path) -> None:
    keep(spool, "before", "kill-me", "after")

    with scored_by(spool, tmp_path) as (_, counters):
        made = patches(spool, 3)

    assert made == {"before": "patch of before", "kill-me": "failed", "after": "patch of after"}
    assert counters.sample()["scorer_failed_records"] == 1


def test_a_scorer_that_hangs_is_replaced(spool: Spool, tmp_path: Path) -> None:
    keep(spool, "hang", "after")

    with scored_by(spool, tmp_path, timeout_seconds=0.5):
        made = patches(spool, 2)

    assert made == {"hang": "failed", "after": "patch of after"}


def test_an_error_in_scoring_marks_the_record_and_keeps_the_scorer(spool: Spool, tmp_path: Path) -> None:
    keep(spool, "raise", "after")

    with scored_by(spool, tmp_path) as (_, counters):
        made = patches(spool, 2)

    assert made == {"raise": "failed", "after": "patch of after"}
    assert counters.sample()["scorer_restarts"] == 0


def test_large_records_do_not_make_owner_and_scorer_wait_for_each_other(spool: Spool, tmp_path: Path) -> None:
    large = [str(number) + "x" * MIB for number in range(4)]

    with scored_by(spool, tmp_path):
        keep(spool, *large)
        wait_until(spool, lambda: len(spool.ready(100 * MIB)) == 4)


def test_spans_do_not_wait_for_a_scorer_that_cannot_start(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "FAILED_STARTS", 1)
    keep(spool, "a")

    with scored_by(spool, tmp_path, scorer_doubles.build_never) as (running, _):
        made = patches(spool, 1)
        ready = running.ready

    assert made == {"a": "failed"}
    assert not ready


def test_a_new_scorer_is_told_which_sessions_were_seen_before_it(spool: Spool, tmp_path: Path) -> None:
    spool.patch([(0, Scored(b"", new_sessions=("s1", "s2")))])
    keep(spool, "a")

    with scored_by(spool, tmp_path, scorer_doubles.build_from_known):
        assert patches(spool, 1) == {"a": "s1,s2"}


def test_a_scorer_that_dies_while_it_starts_is_replaced_however_many_sessions_it_is_to_know(
    spool: Spool, tmp_path: Path
) -> None:
    spool.patch([(0, Scored(b"", new_sessions=tuple(f"session {number:060}" for number in range(20_000))))])
    keep(spool, "a")

    with scored_by(spool, tmp_path, scorer_doubles.DiesOnceAtStart(tmp_path / "died")):
        assert patches(spool, 1) == {"a": "patch of a"}


def test_the_clock_ticks_while_no_span_comes(spool: Spool, tmp_path: Path) -> None:
    with scored_by(spool, tmp_path):
        wait_until(spool, lambda: spool.known_sessions() == ["ticked"])
