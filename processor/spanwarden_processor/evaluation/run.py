"""Files of rows to the figures of each; every run is judged in a process that is sent its steps and nothing else."""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple, TypeAlias

from spanwarden_processor.errors import SpanwardenError
from spanwarden_processor.evaluation.cache import Cache
from spanwarden_processor.evaluation.control_scores import Training, TrainRows, share_of
from spanwarden_processor.evaluation.controls import Control, control_of
from spanwarden_processor.evaluation.judge import Judged, MakeScorers, judge_run, not_judged
from spanwarden_processor.evaluation.measure import Evaluated, measure
from spanwarden_processor.evaluation.rows import (
    Facts,
    RowStep,
    dataset_of,
    digest_of,
    read_rows,
    split_of,
    train_file_of,
    train_files_beside,
)
from spanwarden_processor.evaluation.views import VIEWS, View, seen

_RUNS_PER_TASK: Final = 8
_TASKS_AHEAD: Final = 4

Task: TypeAlias = tuple[tuple[str, tuple[RowStep, ...]], ...]
"""What a judging process is sent: runs, each under the digest of its steps. No other field of a row can be reached."""


class DatasetsClash(SpanwardenError):
    """Two files would be one data set; figures of them together would say nothing."""


class DataSet(NamedTuple):
    """A file of rows: its name, its rows as they were judged, and its figures."""

    name: str
    rows: Sequence[Evaluated]
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How files are evaluated: by what detectors, in how many processes, with which earlier results and views."""

    make_scorers: MakeScorers
    cache: Cache
    workers: int = 1
    views: tuple[View, ...] = tuple(VIEWS)
    run_seconds: float = 60.0
    """How long the judging of one run may take; a detector that takes longer has failed on it."""

    def data_sets(self, paths: Sequence[Path], progress: Callable[[str, int, int], None]) -> Iterator[DataSet]:
        """Each file evaluated by itself, in order. `progress` is told the data set, the rows done, and all its rows.

        Raises:
            DatasetsClash: two files have the same name.
            RowsUnreadable: a file holds something else than rows.
        """
        twice = [name for name, count in Counter(dataset_of(path) for path in paths).items() if count > 1]
        if twice:
            raise DatasetsClash(f"{twice[0]}: two files have this name, and data sets are never pooled")
        shares: dict[tuple[Path, ...], TrainRows | None] = {}
        with ProcessPoolExecutor(self.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            for path in paths:
                name, rows = dataset_of(path), self._rows(path, pool, progress)
                yield DataSet(name, rows, measure(name, split_of(path), rows, training_beside(path, shares)))

    def _rows(
        self, path: Path, pool: ProcessPoolExecutor, progress: Callable[[str, int, int], None]
    ) -> list[Evaluated]:
        known: list[tuple[Facts, Control, Mapping[View, str]]] = []
        runs: dict[str, tuple[RowStep, ...]] = {}
        for row in read_rows(path):
            views = {view: seen(row.steps, view) for view in self._views_of(row.facts)}
            digests = {view: digest_of(steps) for view, steps in views.items()}
            runs.update((digests[view], steps) for view, steps in views.items())
            known.append((row.facts, control_of(row.steps), digests))
        results = self._judged(runs, pool, lambda done: progress(dataset_of(path), done, len(runs)))
        return [
            Evaluated(facts, control, {view: results[digest] for view, digest in digests.items()})
            for facts, control, digests in known
        ]

    def _views_of(self, facts: Facts) -> tuple[View, ...]:
        """The views that are judged: of rows without a label only the whole, for figures leave them out."""
        return self.views if facts.label is not None else ("all",)

    def _judged(
        self, runs: Mapping[str, tuple[RowStep, ...]], pool: ProcessPoolExecutor, progress: Callable[[int], None]
    ) -> dict[str, Judged]:
        results = self.cache.known(runs)
        progress(len(results))
        waiting: set[Future[dict[str, Judged]]] = set()
        tasks = _tasks({digest: steps for digest, steps in runs.items() if digest not in results})
        for task in tasks:
            waiting.add(pool.submit(judge_task, task, self.make_scorers, self.run_seconds))
            if len(waiting) >= self.workers * _TASKS_AHEAD:
                waiting = self._take(waiting, results, progress)
        while waiting:
            waiting = self._take(waiting, results, progress)
        return results

    def _take(
        self, waiting: set[Future[dict[str, Judged]]], results: dict[str, Judged], progress: Callable[[int], None]
    ) -> set[Future[dict[str, Judged]]]:
        done, rest = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            found = future.result()
            self.cache.keep(found)
            results.update(found)
        progress(len(results))
        return rest


class RunTooLong(Exception):
    """A run is not judged within its time. Inside a detector it is that detector's failure."""


def judge_task(task: Task, make_scorers: MakeScorers, run_seconds: float) -> dict[str, Judged]:
    """Judge the runs of one task, each by itself. Called in a process of its own."""
    signal.signal(signal.SIGALRM, _too_long)
    return {digest: _within(run_seconds, steps, make_scorers) for digest, steps in task}


def _within(run_seconds: float, steps: tuple[RowStep, ...], make_scorers: MakeScorers) -> Judged:
    # It rings again and again, for one detector after another may take too long.
    signal.setitimer(signal.ITIMER_REAL, run_seconds, run_seconds)
    try:
        return judge_run(steps, make_scorers)
    except RunTooLong:
        return not_judged(steps, run_seconds)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise RunTooLong("the run was not judged in time")


def dump_lines(data_set: DataSet) -> Iterator[dict[str, Any]]:
    """What was said of each row, as `eval --dump` writes it."""
    for row in data_set.rows:
        judged = row.judged["all"]
        yield {
            "dataset": data_set.name,
            "id": row.facts.id,
            "label": row.facts.label,
            "score": judged.score,
            "verdict": judged.verdict,
            "severity_number": judged.severity_number,
            "categories": judged.categories,
            "findings": judged.findings,
        }


def _tasks(runs: Mapping[str, tuple[RowStep, ...]]) -> Iterator[Task]:
    items = tuple(runs.items())
    for start in range(0, len(items), _RUNS_PER_TASK):
        yield items[start : start + _RUNS_PER_TASK]


def training_beside(path: Path, shares: dict[tuple[Path, ...], TrainRows | None]) -> Training:
    """The train rows that stand beside a file of development rows; nothing else is learned from.

    `shares` keeps what was made of the train files, for the next file of the same folder.
    """
    if split_of(path) != "dev":
        return Training(None, None)
    own, beside = train_file_of(path), train_files_beside(path)
    rows = _train_rows(own) if own else None
    if beside not in shares:
        shares[beside] = share_of(map(_train_rows, beside))
    return Training(rows if rows and rows.has_both else None, shares[beside])


def _train_rows(path: Path) -> TrainRows:
    rows = [(row.facts, control_of(row.steps)) for row in read_rows(path) if row.facts.label is not None]
    return TrainRows(dataset_of(path), rows)
