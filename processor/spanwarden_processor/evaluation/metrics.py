"""Scores and labels to figures with intervals. Everything here is of one data set; nothing joins several."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

FALSE_POSITIVE_RATES: Final = (0.001, 0.01, 0.05)
DRAWS: Final = 1_000
_SEED: Final = 20_261_121
_Z_95: Final = 1.959963984540054


class Figure(NamedTuple):
    """A figure and its 95 % interval; None where the rows do not give it."""

    value: float | None
    interval: tuple[float, float] | None


class Scores(NamedTuple):
    """Rows with a label: their scores, labels (1 or 0) and groups (numbered from 0)."""

    scores: Floats
    labels: Floats
    groups: NDArray[np.int64]

    @property
    def has_both(self) -> bool:
        """Whether there are positives and negatives."""
        return bool(self.labels.any()) and not bool(self.labels.all())


def scores_of(scores: Sequence[float], labels: Sequence[int], groups: Sequence[str]) -> Scores:
    """Scores, labels and names of groups as arrays."""
    _, numbers = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    return Scores(np.asarray(scores, float), np.asarray(labels, float), numbers.astype(np.int64))


def auc(rows: Scores) -> Figure:
    """The chance that a positive scores higher than a negative, ties half; the interval is drawn by groups."""
    return _figure(rows, _weighted_auc)


def recall_at(rows: Scores, false_positive_rate: float) -> Figure:
    """The highest recall at a false-positive rate at or below the given one. Ties are not split: no interpolation."""
    return _figure(rows, lambda positives, negatives: _weighted_recall(positives, negatives, false_positive_rate))


def mean_auc(data_sets: Sequence[Scores]) -> Figure:
    """The unweighted mean of the AUC of each of several data sets; no row is ever compared with one of another."""
    return _mean(data_sets, _weighted_auc)


def mean_recall_at(data_sets: Sequence[Scores], false_positive_rate: float) -> Figure:
    """The unweighted mean of the recall in each of several data sets, each at this rate of its own negatives."""
    return _mean(data_sets, lambda positives, negatives: _weighted_recall(positives, negatives, false_positive_rate))


def within_group_auc(rows: Scores) -> tuple[Figure, int]:
    """The AUC over pairs of the same group only, and how many such pairs there are."""
    count = _groups_in(rows) if len(rows.groups) else 0
    wins, pairs = np.zeros(count), np.zeros(count)
    for group in range(count):
        chosen = rows.groups == group
        difference = np.subtract.outer(
            rows.scores[chosen & (rows.labels == 1)], rows.scores[chosen & (rows.labels == 0)]
        )
        wins[group] = (difference > 0).sum() + 0.5 * (difference == 0).sum()
        pairs[group] = difference.size
    total = int(pairs.sum())
    if not total:
        return Figure(None, None), 0
    drawn = _draws(count)
    drawn_pairs = drawn @ pairs
    values = (drawn @ wins)[drawn_pairs > 0] / drawn_pairs[drawn_pairs > 0]
    return Figure(float(wins.sum() / total), _interval(values)), total


def proportion(hits: int, total: int) -> Figure:
    """A share with Wilson's interval."""
    if not total:
        return Figure(None, None)
    share, z2 = hits / total, _Z_95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z_95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return Figure(share, (max(0.0, middle - half), min(1.0, middle + half)))


def rounded(value: Any) -> Any:
    """A figure, or what holds figures, as JSON shows it."""
    match value:
        case float():
            return round(value, 4)
        case tuple() | list():
            return [rounded(each) for each in value]
        case dict():
            return {key: rounded(each) for key, each in value.items()}
        case _:
            return value


def _figure(rows: Scores, measure: Callable[[Floats, Floats], Floats]) -> Figure:
    """A measure of the rows as they are, and its interval over draws of their groups."""
    if not rows.has_both:
        return Figure(None, None)
    count = _groups_in(rows)
    value = measure(*_by_score(rows, np.ones((1, count))))
    drawn = measure(*_by_score(rows, _draws(count)))
    return Figure(float(value[0]), _interval(drawn[~np.isnan(drawn)]))


def _mean(data_sets: Sequence[Scores], measure: Callable[[Floats, Floats], Floats]) -> Figure:
    """A measure of each data set by itself, and then the mean; for the interval each is drawn apart from the others."""
    if not data_sets or not all(rows.has_both for rows in data_sets):
        return Figure(None, None)
    values = [float(measure(*_by_score(rows, np.ones((1, _groups_in(rows)))))[0]) for rows in data_sets]
    drawn = [
        measure(*_by_score(rows, _draws(_groups_in(rows), number))) for number, rows in enumerate(data_sets, start=1)
    ]
    means = np.mean(drawn, axis=0)
    return Figure(sum(values) / len(values), _interval(means[~np.isnan(means)]))


def _groups_in(rows: Scores) -> int:
    return int(rows.groups.max()) + 1


def _draws(groups: int, stream: int = 0) -> Floats:
    """How often each group is drawn, in each of many draws with replacement. Always the same ones in a stream."""
    random = np.random.default_rng(_SEED + stream)
    return random.multinomial(groups, np.full(groups, 1 / groups), size=DRAWS).astype(float)


def _interval(values: Floats) -> tuple[float, float] | None:
    if not len(values):
        return None
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def _by_score(rows: Scores, drawn: Floats) -> tuple[Floats, Floats]:
    """The weight of positives and of negatives at each distinct score, the highest first; a line for each draw."""
    order = np.argsort(-rows.scores, kind="stable")
    scores, labels = rows.scores[order], rows.labels[order]
    weights = drawn[:, rows.groups[order]]
    starts = np.flatnonzero(np.concatenate(([True], scores[1:] != scores[:-1])))
    return np.add.reduceat(weights * labels, starts, axis=1), np.add.reduceat(weights * (1 - labels), starts, axis=1)


def _weighted_auc(positives: Floats, negatives: Floats) -> Floats:
    lower = negatives.sum(axis=1, keepdims=True) - np.cumsum(negatives, axis=1)
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        values: Floats = (positives * (lower + negatives / 2)).sum(axis=1) / pairs
    return values


def _weighted_recall(positives: Floats, negatives: Floats, false_positive_rate: float) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = np.cumsum(negatives, axis=1) / negatives.sum(axis=1, keepdims=True)
        recalls = np.cumsum(positives, axis=1) / positives.sum(axis=1, keepdims=True)
    values: Floats = np.where(rates <= false_positive_rate + 1e-12, recalls, 0.0).max(axis=1)
    values[negatives.sum(axis=1) == 0] = np.nan
    values[positives.sum(axis=1) == 0] = np.nan
    return values
