"""Several data sets to the unweighted mean of their figures. Rows of different data sets are never compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from spanwarden_processor.evaluation.metrics import FALSE_POSITIVE_RATES, Scores, mean_auc, mean_recall_at, rounded


class Part(NamedTuple):
    """What one data set gives to the mean: its scores, and its figures as they are printed."""

    name: str
    scores: Scores
    figures: Mapping[str, Any]


def mean_of(parts: Sequence[Part]) -> dict[str, Any]:
    """The mean over the data sets that hold both labels; null where there is none.

    Diagnostic rows show nothing without their control, and train rows were learned from: they are in no mean.
    """
    chosen = [part for part in parts if part.scores.has_both and not part.name.endswith((".diagnostic", ".train"))]
    scores = [part.scores for part in chosen]
    mean = mean_auc(scores)
    recalls = {str(rate): mean_recall_at(scores, rate) for rate in FALSE_POSITIVE_RATES}
    return rounded(  # type: ignore[no-any-return] # a dict stays one
        {
            "datasets": [part.name for part in chosen],
            "auc": mean.value,
            "auc_interval": mean.interval,
            "recall_at_fpr": {rate: each.value for rate, each in recalls.items()},
            "recall_at_fpr_interval": {rate: each.interval for rate, each in recalls.items()},
            "strongest_control_auc": _strongest(chosen),
        }
    )


def _strongest(parts: Sequence[Part]) -> float | None:
    """The mean of what the strongest control tells of each data set."""
    told = [controls[controls["strongest"]]["auc"] for controls in (part.figures["controls"] for part in parts)]
    return sum(told) / len(told) if told else None
