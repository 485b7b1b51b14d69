"""The words of tasks to how much each task looks like that of a positive: what a task alone gives away of its label."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spanwarden_processor.evaluation.fitting import fit_similar, folds_of
from spanwarden_processor.evaluation.metrics import Floats
from spanwarden_processor.evaluation.rows import Split

_WORD: Final = re.compile(r"\w\w+")
_FEWEST_TASKS: Final = 2
_MOST_TERMS: Final = 20_000


class Tasks(NamedTuple):
    """What was asked for in each of some rows, with their labels and groups, and what they may be used for."""

    texts: Sequence[str]
    labels: Floats
    groups: Sequence[str]
    split: Split


class Vocabulary(NamedTuple):
    """Words and pairs of words that stand in several tasks, each with its place and its rarity (idf)."""

    places: dict[str, int]
    rarity: Floats


def task_scores(train: Tasks, texts: Sequence[str]) -> Floats:
    """Log odds of texts, by a regression over the words and pairs of words of the train tasks (TF-IDF).

    Raises:
        NotForFitting: the train rows are development rows.
    """
    vocabulary = _vocabulary(train.texts)
    known = _weighed(train.texts, vocabulary)
    weights = fit_similar(known @ known.T, train.labels, train.split)
    scores: Floats = _weighed(texts, vocabulary) @ known.T @ weights[:-1] + weights[-1]
    return scores


def held_out_task_scores(tasks: Tasks) -> Floats | None:
    """Scores of tasks by regressions that never saw their fold of groups; None where there are too few groups."""
    folds = folds_of(tasks.groups)
    scores = np.zeros(len(tasks.texts))
    for fold in np.unique(folds):
        out = folds == fold
        labels = tasks.labels[~out]
        if not labels.any() or labels.all():
            return None
        rest = Tasks(_where(tasks.texts, ~out), labels, (), tasks.split)
        scores[out] = task_scores(rest, _where(tasks.texts, out))
    return scores


def _where(texts: Sequence[str], chosen: NDArray[np.bool_]) -> list[str]:
    return [text for text, is_chosen in zip(texts, chosen, strict=True) if is_chosen]


def _terms(text: str) -> Counter[str]:
    words = _WORD.findall(text.lower())
    return Counter([*words, *(f"{first} {second}" for first, second in pairwise(words))])


def _vocabulary(texts: Sequence[str]) -> Vocabulary:
    counts = Counter(term for text in texts for term in _terms(text))
    common = [(term, count) for term, count in counts.most_common(_MOST_TERMS) if count >= _FEWEST_TASKS]
    rarity = np.log((1 + len(texts)) / (1 + np.asarray([count for _, count in common], float))) + 1
    return Vocabulary({term: place for place, (term, _) in enumerate(common)}, rarity)


def _weighed(texts: Sequence[str], vocabulary: Vocabulary) -> Floats:
    """A line of term weights for each text, of length 1 (or 0 where it has no known term)."""
    weights = np.zeros((len(texts), len(vocabulary.places)))
    for line, text in zip(weights, texts, strict=True):
        for term, count in _terms(text).items():
            if (place := vocabulary.places.get(term)) is not None:
                line[place] = count
    weights *= vocabulary.rarity
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    weights /= np.where(lengths > 0, lengths, 1.0)
    return weights
