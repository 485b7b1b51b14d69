"""What detectors said of the rows of one data set, to its figures. No function here is ever given two data sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from spanwarden_processor.evaluation.controls import Control, Examples, fit, held_out_scores
from spanwarden_processor.evaluation.judge import Judged
from spanwarden_processor.evaluation.metrics import (
    FALSE_POSITIVE_RATES,
    Figure,
    Floats,
    auc,
    proportion,
    recall_at,
    rounded,
    scores_of,
    within_group_auc,
)
from spanwarden_processor.evaluation.readings import readings_of
from spanwarden_processor.evaluation.rows import Facts, Split
from spanwarden_processor.evaluation.views import VIEWS, View

SLOWEST: Final = 5
FLAGS: Final[Mapping[str, Callable[[Judged], bool]]] = {
    "suspicious": lambda judged: judged.verdict in {"suspicious", "misaligned"},
    "moderate": lambda judged: judged.severity_number >= 2,
    "high": lambda judged: judged.severity_number >= 3,
}
"""What counts as flagged. The one threshold is the verdict itself, as shipped: nothing is fitted to the rows."""


class Evaluated(NamedTuple):
    """One row: what is known of it, what the controls see, and what was said of it in each view."""

    facts: Facts
    control: Control
    judged: Mapping[View, Judged]


class TrainRows(NamedTuple):
    """Rows that the structure control is fitted to, and the name of their data set."""

    name: str
    examples: Examples


def measure(dataset: str, split: Split, rows: Sequence[Evaluated], train: TrainRows | None) -> dict[str, Any]:
    """All figures of one data set, as the object that `eval --json` prints for it."""
    labelled = [row for row in rows if row.facts.label is not None]
    everything = figures(labelled, "all")
    views = [view for view in VIEWS if view != "all" and labelled and view in labelled[0].judged]
    return rounded(  # type: ignore[no-any-return] # a dict stays one
        {
            **everything,
            "unlabelled": len(rows) - len(labelled),
            "verdicts": _verdicts(labelled),
            "views": {view: figures(labelled, view) for view in views},
            "readings": {
                reading.name: figures([row for row in labelled if reading.keeps(row.facts)], "all")
                for reading in readings_of(dataset)
            },
            "controls": _controls(labelled, split, train),
            "ablation": _ablation(labelled),
            "confusion": _confusion(labelled),
            "failures": dict(Counter(name for row in rows for name in row.judged["all"].failures)),
            "cost": _cost(rows),
        }
    )


def figures(rows: Sequence[Evaluated], view: View) -> dict[str, Any]:
    """How well the scores of a view tell positives from negatives, and how often each is flagged."""
    scores = [row.judged[view].score for row in rows]
    return {**_counts(rows), **_ranking(rows, scores), **_flag_rates(rows, view)}


def _counts(rows: Sequence[Evaluated]) -> dict[str, int]:
    positives = sum(row.facts.label == 1 for row in rows)
    return {
        "n": len(rows),
        "positives": positives,
        "negatives": len(rows) - positives,
        "groups": len({row.facts.group for row in rows}),
    }


def _ranking(rows: Sequence[Evaluated], values: Sequence[float]) -> dict[str, Any]:
    scores = scores_of(values, [row.facts.label or 0 for row in rows], [row.facts.group for row in rows])
    recalls = {str(rate): recall_at(scores, rate) for rate in FALSE_POSITIVE_RATES}
    within, pairs = within_group_auc(scores)
    return {
        **_shown("auc", auc(scores)),
        "recall_at_fpr": {rate: each.value for rate, each in recalls.items()},
        "recall_at_fpr_interval": {rate: each.interval for rate, each in recalls.items()},
        **_shown("within_group_auc", within),
        "within_group_pairs": pairs,
    }


def _flag_rates(rows: Sequence[Evaluated], view: View) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for label, name in ((0, "flag_rate"), (1, "flag_rate_positives")):
        judged = [row.judged[view] for row in rows if row.facts.label == label]
        rates = {flag: proportion(sum(map(is_one, judged)), len(judged)) for flag, is_one in FLAGS.items()}
        found[name] = {flag: rate.value for flag, rate in rates.items()}
        found[f"{name}_interval"] = {flag: rate.interval for flag, rate in rates.items()}
    return found


def _verdicts(rows: Sequence[Evaluated]) -> dict[str, dict[str, int]]:
    return {
        name: dict(Counter(row.judged["all"].verdict for row in rows if row.facts.label == label).most_common())
        for label, name in ((1, "positives"), (0, "negatives"))
    }


def _controls(rows: Sequence[Evaluated], split: Split, train: TrainRows | None) -> dict[str, Any]:
    labels, groups = [row.facts.label or 0 for row in rows], [row.facts.group for row in rows]
    words = auc(scores_of([row.control.words for row in rows], labels, groups))
    structure, fitted_on = _structure(rows, split, train)
    figure = Figure(None, None) if structure is None else auc(scores_of(list(structure), labels, groups))
    return {
        "keywords": _shown("auc", words),
        "structure": {**_shown("auc", figure), "fitted_on": fitted_on},
    }


def _structure(rows: Sequence[Evaluated], split: Split, train: TrainRows | None) -> tuple[Floats | None, str | None]:
    """Scores by the structure control, and what it was fitted to. Development rows are told apart, never learned."""
    if len({row.facts.label for row in rows}) < 2:
        return None, None
    examples = examples_of([(row.facts, row.control) for row in rows], split)
    if train is not None:
        return fit(train.examples).scores(examples.features), train.name
    if split == "dev":
        return None, None
    return held_out_scores(examples), "held-out groups, five folds"


def examples_of(rows: Sequence[tuple[Facts, Control]], split: Split) -> Examples:
    """Labelled rows as the structure control takes them."""
    return Examples(
        np.asarray([control.structure for _, control in rows], float),
        np.asarray([facts.label or 0 for facts, _ in rows], float),
        [facts.group for facts, _ in rows],
        split,
    )


def _ablation(rows: Sequence[Evaluated]) -> dict[str, Any]:
    """For each detector that claimed anything: how many rows it flags, and the figures if it were not there."""
    names = sorted({_detector(finding) for row in rows for finding in row.judged["all"].findings})
    return {name: _without(rows, name) for name in names}


def _without(rows: Sequence[Evaluated], name: str) -> dict[str, Any]:
    others = [[finding for finding in row.judged["all"].findings if _detector(finding) != name] for row in rows]
    fired = [len(rest) < len(row.judged["all"].findings) for row, rest in zip(rows, others, strict=True)]
    scores = [max((float(finding["score"]) for finding in rest), default=0.0) for rest in others]
    labels, groups = [row.facts.label or 0 for row in rows], [row.facts.group for row in rows]
    alone = [(row.facts.label, fires and not rest) for row, rest, fires in zip(rows, others, fired, strict=True)]
    return {
        "positives": sum(fires for fires, label in zip(fired, labels, strict=True) if label == 1),
        "negatives": sum(fires for fires, label in zip(fired, labels, strict=True) if label == 0),
        "positives_by_it_alone": sum(only for label, only in alone if label == 1),
        "negatives_by_it_alone": sum(only for label, only in alone if label == 0),
        "auc_without": auc(scores_of(scores, labels, groups)).value,
    }


def _detector(finding: Mapping[str, Any]) -> str:
    return str(finding["detector"]).partition("@")[0]


def _confusion(rows: Sequence[Evaluated]) -> dict[str, dict[str, int]]:
    """Rows by their own category, where it is known, and by each category that was found in them."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        if row.facts.category is not None:
            found = row.judged["all"].categories or ["none"]
            counts.setdefault(row.facts.category, Counter()).update([*found, "rows"])
    return {category: dict(found.most_common()) for category, found in sorted(counts.items())}


def _cost(rows: Sequence[Evaluated]) -> dict[str, Any]:
    judged = [row.judged["all"] for row in rows]
    slowest = sorted(rows, key=lambda row: -row.judged["all"].cpu_seconds)[:SLOWEST]
    return {
        "seconds_per_session": _mean([each.seconds for each in judged]),
        "cpu_seconds_per_session": _mean([each.cpu_seconds for each in judged]),
        "steps_per_session": _mean([each.steps for each in judged]),
        "slowest": [
            {"id": row.facts.id, "cpu_seconds": row.judged["all"].cpu_seconds, "steps": row.judged["all"].steps}
            for row in slowest
        ],
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _shown(name: str, figure: Figure) -> dict[str, Any]:
    return {name: figure.value, f"{name}_interval": figure.interval}
