"""Labelled rows to a logistic regression that tells positives from negatives. Only the controls are fitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from spanwarden_processor.errors import SpanwardenError
from spanwarden_processor.evaluation.metrics import Floats
from spanwarden_processor.evaluation.rows import Split

_PENALTY: Final = 1.0
_STEPS_OF_NEWTON: Final = 50
FOLDS: Final = 5


class NotForFitting(SpanwardenError):
    """Rows that may only be measured on were given to be learned from."""


class Examples(NamedTuple):
    """Rows to learn from or to tell apart: their features, labels and groups, and what they may be used for."""

    features: Floats
    labels: Floats
    groups: Sequence[str]
    split: Split


class Fitted(NamedTuple):
    """A logistic regression over standardised features."""

    mean: Floats
    scale: Floats
    weights: Floats

    def scores(self, features: Floats) -> Floats:
        """How much each row looks like a positive: log odds."""
        values: Floats = _with_constant((features - self.mean) / self.scale) @ self.weights
        return values


def fit(examples: Examples) -> Fitted:
    """Learn to tell positives from negatives.

    Raises:
        NotForFitting: the rows are development rows.
    """
    _only_what_may_be_learned_from(examples.split)
    mean, scale = examples.features.mean(axis=0), examples.features.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    return Fitted(mean, scale, _weights((examples.features - mean) / scale, examples.labels))


def fit_similar(similar: Floats, labels: Floats, split: Split) -> Floats:
    """Learn from how similar rows are to each other (inner products, a line a row); for features too many to solve for.

    What is returned gives the log odds of rows by `their inner products with these rows @ it[:-1] + it[-1]`.

    Raises:
        NotForFitting: the rows are development rows.
    """
    _only_what_may_be_learned_from(split)
    sizes, directions = np.linalg.eigh(similar)
    kept = sizes > sizes.max() * 1e-9
    # The rows in their own directions: the same regression as over all features, for the penalty is the same.
    to_directions = directions[:, kept] / np.sqrt(sizes[kept])
    weights = _weights(similar @ to_directions, labels)
    combined: Floats = np.concatenate([to_directions @ weights[:-1], weights[-1:]])
    return combined


def held_out_scores(examples: Examples) -> Floats | None:
    """Scores of rows by models that were fitted without their fold of groups; None where there are too few groups."""
    folds = folds_of(examples.groups)
    scores = np.zeros(len(examples.labels))
    for fold in range(FOLDS):
        out = folds == fold
        labels = examples.labels[~out]
        if not out.any() or not labels.any() or labels.all():
            return None
        rest = Examples(examples.features[~out], labels, (), examples.split)
        scores[out] = fit(rest).scores(examples.features[out])
    return scores


def folds_of(groups: Sequence[str]) -> Floats:
    """A fold for each row. The largest groups are given out first, each to the fold with the fewest rows."""
    sizes = Counter(groups)
    filled = [0] * FOLDS
    fold_of: dict[str, int] = {}
    for group, size in sorted(sizes.items(), key=lambda each: (-each[1], each[0])):
        fold_of[group] = filled.index(min(filled))
        filled[fold_of[group]] += size
    return np.asarray([fold_of[group] for group in groups], float)


def _only_what_may_be_learned_from(split: Split) -> None:
    if split == "dev":
        raise NotForFitting("development rows are measured on only: nothing is fitted to them")


def _weights(features: Floats, labels: Floats) -> Floats:
    """The weight of each feature and of a constant, by Newton's method; the constant is not penalised."""
    inputs = _with_constant(features)
    penalty = np.full(inputs.shape[1], _PENALTY)
    penalty[-1] = 0.0
    weights = np.zeros(inputs.shape[1])
    for _ in range(_STEPS_OF_NEWTON):
        chances = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        gradient = inputs.T @ (chances - labels) + penalty * weights
        curvature = (inputs * (chances * (1 - chances))[:, None]).T @ inputs + np.diag(penalty + 1e-9)
        change = np.linalg.solve(curvature, gradient)
        weights = weights - change
        if float(np.abs(change).max()) < 1e-8:
            break
    return weights


def _with_constant(features: Floats) -> Floats:
    return np.hstack([features, np.ones((len(features), 1))])
