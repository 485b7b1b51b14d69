"""Ids of the calls and answers of runs that are not sampled, so that the rest of such a run is not sampled either."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice
from typing import Final

from opentelemetry.trace import Span

from spanwarden.heard import ROLES_OF_RESULTS, Conversation
from spanwarden.messages import AskedCall

LIMIT: Final = 16_384
"""Ids kept. A run whose ids were forgotten is sampled anew."""


class UnsampledRuns:
    """Roots of runs that are not sampled, by the ids of their newest answers.

    Each method is a few single operations on the table, which are atomic; a race can only forget an id.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._roots: OrderedDict[str, Span] = OrderedDict()

    def root_of(self, conversation: Conversation) -> Span | None:
        """The root of the run whose tool results end a request."""
        newest = conversation.newest
        if not self._roots or newest.role not in ROLES_OF_RESULTS:
            return None
        root = self._roots.get(newest.call_id)
        if root is not None:
            return root
        for message in islice(reversed(conversation.messages), 1, None):
            heard = conversation.hear(message)
            if heard.role not in ROLES_OF_RESULTS:
                return None
            root = self._roots.get(heard.call_id)
            if root is not None:
                return root
        return None

    def remember(self, root: Span, call_ids: Iterable[str]) -> None:
        """Keep the ids of an answer's tool calls."""
        for call_id in call_ids:
            self._roots[call_id] = root
        while len(self._roots) > self._limit:
            self._roots.popitem(last=False)

    def forget(self, asked: Iterable[AskedCall]) -> None:
        """Make way for a sampled run whose server gives the same ids again."""
        if self._roots:
            for call in asked:
                self._roots.pop(call.id, None)
