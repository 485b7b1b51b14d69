"""A function of the user's that sees content before it is recorded, and may change it or leave it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, Final, TypeAlias

VARIABLE: Final = "SPANWARDEN_CONTENT_POLICY"
"""The name of an entry point in the group `spanwarden_content_policy`."""
GROUP: Final = "spanwarden_content_policy"

ContentPolicy: TypeAlias = Callable[[str, Any], Any]
"""Called with the attribute's name and its value: text, or messages and parts as lists and mappings, which it may not
change in place. What it returns is recorded instead; `None` leaves the attribute out. So does an exception."""


def keep_all(_attribute: str, value: Any) -> Any:
    """Record everything as it is."""
    return value


def load_policy(environment: Mapping[str, str]) -> ContentPolicy | None:
    """The policy that the environment names; None where there is no such, and no content may be recorded."""
    name = environment.get(VARIABLE, "").strip()
    if not name:
        return keep_all
    for entry_point in entry_points(group=GROUP, name=name):
        try:
            policy = entry_point.load()
        except Exception:  # noqa: BLE001 - the user's module; without it nothing may be recorded
            return None
        return policy if callable(policy) else None
    return None
