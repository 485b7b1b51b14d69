"""What the controls see of the rows of one data set, to a score of each row by each control."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import xxhash

from spanwarden_processor.evaluation.controls import Control
from spanwarden_processor.evaluation.fitting import FOLDS, Examples, fit, held_out_scores
from spanwarden_processor.evaluation.metrics import Floats
from spanwarden_processor.evaluation.rows import Facts, Split
from spanwarden_processor.evaluation.task_words import Tasks, held_out_task_scores, task_scores

MOST_OF_A_LABEL: Final = 500
"""Rows of each label that a file gives to the fit over all train files, so that no file swamps the rest."""
_HELD_OUT: Final = f"held-out groups, {FOLDS} folds"
_EVERY: Final = "all train files beside it"

Known: TypeAlias = tuple[Facts, Control]
"""What is known of a row, and what the controls see of it."""


class TrainRows(NamedTuple):
    """Labelled rows that controls are fitted to, and the name of their data set."""

    name: str
    rows: Sequence[Known]

    @property
    def has_both(self) -> bool:
        """Whether there are positives and negatives."""
        return len({facts.label for facts, _ in self.rows}) == 2


class Training(NamedTuple):
    """The train rows of the data set itself, and a share of those of all data sets; None where there are none."""

    own: TrainRows | None
    every: TrainRows | None


class ControlScores(NamedTuple):
    """A score for each row, None where the control cannot give one; and what it was fitted to, if to anything."""

    scores: Floats | None
    fitted_on: str | None = None


def control_scores(rows: Sequence[Known], split: Split, training: Training) -> Mapping[str, ControlScores]:
    """The scores of labelled rows by every control.

    `structure` is the one that published figures for these data sets were made with. The others may be stronger:
    fitted to the train rows of the same data set alone, and with the total length as well.
    """
    return {
        "keywords": ControlScores(np.asarray([control.words for _, control in rows])),
        "category_words": ControlScores(np.asarray([control.category_words for _, control in rows])),
        "structure": _structure(rows, split, training.every, _published),
        "structure_own": _structure(rows, split, training.own, _published) if split == "dev" else ControlScores(None),
        "structure_and_length": _structure(rows, split, training.own, _with_length),
        "task": _task(rows, split, training.own),
    }


def share_of(files: Iterable[TrainRows]) -> TrainRows | None:
    """A share of the rows of several train files: at most `MOST_OF_A_LABEL` of each label, chosen by their ids.

    Files of positives alone are left out: of them a fit would learn what kind of run they are and nothing else.
    """
    chosen: list[Known] = []
    for file in files:
        if all(facts.label == 1 for facts, _ in file.rows):
            continue
        for label in (0, 1):
            of_label = [known for known in file.rows if known[0].label == label]
            chosen += sorted(of_label, key=_by_chance)[:MOST_OF_A_LABEL]
    share = TrainRows(_EVERY, chosen)
    return share if share.has_both else None


def _by_chance(known: Known) -> int:
    return xxhash.xxh3_64_intdigest(known[0].id.encode())


def examples_of(rows: Sequence[Known], split: Split, features: Callable[[Control], tuple[float, ...]]) -> Examples:
    """Labelled rows as a fit takes them."""
    return Examples(
        np.asarray([features(control) for _, control in rows], float),
        _labels(rows),
        [facts.group for facts, _ in rows],
        split,
    )


def _published(control: Control) -> tuple[float, ...]:
    return control.structure


def _with_length(control: Control) -> tuple[float, ...]:
    return (*control.structure, control.total_length)


def _labels(rows: Sequence[Known]) -> Floats:
    return np.asarray([facts.label or 0 for facts, _ in rows], float)


def _structure(
    rows: Sequence[Known], split: Split, train: TrainRows | None, features: Callable[[Control], tuple[float, ...]]
) -> ControlScores:
    """Scores by structure. Development rows are told apart, never learned."""
    if len({facts.label for facts, _ in rows}) < 2:
        return ControlScores(None)
    examples = examples_of(rows, split, features)
    if split == "dev":
        if train is None:
            return ControlScores(None)
        return ControlScores(fit(examples_of(train.rows, "train", features)).scores(examples.features), train.name)
    return _held_out(held_out_scores(examples))


def _task(rows: Sequence[Known], split: Split, train: TrainRows | None) -> ControlScores:
    if len({facts.label for facts, _ in rows}) < 2 or not any(facts.task for facts, _ in rows):
        return ControlScores(None)
    if split == "dev":
        if train is None:
            return ControlScores(None)
        return ControlScores(
            task_scores(_tasks(train.rows, "train"), [facts.task for facts, _ in rows]), f"tasks of {train.name}"
        )
    return _held_out(held_out_task_scores(_tasks(rows, split)))


def _tasks(rows: Sequence[Known], split: Split) -> Tasks:
    texts = [facts.task for facts, _ in rows]
    return Tasks(texts, _labels(rows), [facts.group for facts, _ in rows], split)


def _held_out(scores: Floats | None) -> ControlScores:
    return ControlScores(scores, None if scores is None else _HELD_OUT)
