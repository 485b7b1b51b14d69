"""Stricter readings of a data set: which rows are left out, by what is known of them.

They hold for the public data sets that this project measures on; a file of another name has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from spanwarden_processor.evaluation.rows import Facts


class Reading(NamedTuple):
    """A part of a data set. `name` says what is left out or what is left."""

    name: str
    keeps: Callable[[Facts], bool]


READINGS: Final[Mapping[str, tuple[Reading, ...]]] = {
    "agentdojo": (
        Reading("attacked runs only", lambda facts: bool(facts.meta.get("attacked"))),
        Reading(
            "attacked runs that saw the injection",
            lambda facts: bool(facts.meta.get("attacked")) and facts.meta.get("injection_seen") is not False,
        ),
        Reading(
            "without runs that only name the attacker's destination", lambda facts: not facts.meta.get("named_only")
        ),
    ),
    "bloom": (Reading("without benign controls", lambda facts: facts.category != "benign_control"),),
    "oas": (Reading("without runs that never got that far", lambda facts: facts.category != "not_reached"),),
    "rhevals": (
        Reading("without runs that the judge found unclear", lambda facts: facts.category != "judge_unclear"),
        Reading(
            "without unclear runs and positives that only submit early",
            lambda facts: (
                facts.category != "judge_unclear" and not (facts.label == 1 and facts.meta.get("submits_early_only"))
            ),
        ),
    ),
}


def readings_of(dataset: str) -> tuple[Reading, ...]:
    """The stricter readings of a data set, by the name of its file."""
    return READINGS.get(dataset.partition(".")[0], ())
