"""Views of a run: how much of it a monitor is shown, so that each part's worth can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

from spanwarden_processor.evaluation.rows import RowStep

View: TypeAlias = Literal["action", "action+reasoning", "all"]
"""What was asked and done; with what the agent thought; with what it said as well."""

_ACTION: Final = frozenset({"system", "user", "tool_call", "tool_result"})

VIEWS: Final[Mapping[View, frozenset[str]]] = {
    "action": _ACTION,
    "action+reasoning": _ACTION | {"reasoning"},
    "all": _ACTION | {"reasoning", "message"},
}
"""The types of steps that each view shows."""


def seen(steps: Sequence[RowStep], view: View) -> tuple[RowStep, ...]:
    """The steps that a view shows, in their order."""
    return tuple(step for step in steps if step.type in VIEWS[view])
