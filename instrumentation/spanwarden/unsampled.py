"""Call ids of runs that are not sampled, so that the rest of such a run is not sampled either."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from opentelemetry.trace import Span

from spanwarden.encode import fields_of
from spanwarden.messages import AskedCall

LIMIT: Final = 16_384
"""Call ids kept. A run whose ids were forgotten is sampled anew."""


class UnsampledRuns:
    """Roots of runs that are not sampled, by the call ids of their newest answers.

    Each method is a few single operations on the table, which are atomic; a race can only forget an id.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._roots: OrderedDict[str, Span] = OrderedDict()

    def root_of(self, messages: Any) -> Span | None:
        """The root of the run whose tool results end these messages."""
        if not self._roots or not isinstance(messages, list | tuple):
            return None
        for message in reversed(messages):
            fields = fields_of(message)
            if fields.get("role") != "tool":
                return None
            root = self._roots.get(fields.get("tool_call_id") or "")
            if root is not None:
                return root
        return None

    def remember(self, root: Span, choices: Sequence[Any]) -> None:
        """Keep the call ids of an answer."""
        for choice in choices:
            for call in fields_of(fields_of(choice).get("message")).get("tool_calls") or ():
                self._roots[fields_of(call).get("id") or ""] = root
        while len(self._roots) > self._limit:
            self._roots.popitem(last=False)

    def forget(self, calls: Sequence[AskedCall]) -> None:
        """Make way for a sampled run whose server gives the same ids again."""
        if self._roots:
            for call in calls:
                self._roots.pop(call.id, None)
