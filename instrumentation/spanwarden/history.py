"""What of a request was recorded before: every request repeats the whole conversation, its spans need not.

Below a limit a span carries the whole history, as the conventions have it. Beyond it, it carries what is new, and how
many messages earlier spans of the same session carry already. Otherwise a session of 200 calls would send 20 MB, and
receivers refuse requests over 4 MiB as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from spanwarden.encode import fields_of, json_text

CONVERSATIONS_KEPT: Final = 4
"""Histories that one session carries on side by side, those of sub-agents say."""
SYSTEM_LIMIT: Final = 2_048
"""Characters of a first message by the system that is repeated all the same, for whoever reads a single span."""
_PLAIN: Final = frozenset({"role", "content", "tool_call_id"})
"""The fields of most messages. The hash of a text is kept by Python, so these are recognised without reading them."""


class Print(NamedTuple):
    """What a message is recognised by, and about how many characters it has."""

    digest: int
    characters: int


class Prefix(NamedTuple):
    """The messages of one request, all of which were recorded: how many, and their digest."""

    length: int
    digest: int


@dataclass(slots=True)
class Sent:
    """What spans of one session carry already. Of constant size."""

    prefixes: tuple[Prefix, ...] = ()
    others: dict[str, int] = field(default_factory=dict)

    def repeated(self, prints: Sequence[Print]) -> int:
        """How many messages at the start were recorded before; all of them count as recorded from now on."""
        digests = [each.digest for each in prints]
        known: Prefix | None = None
        for prefix in self.prefixes:
            longer = known is None or prefix.length > known.length
            if longer and prefix.length <= len(digests) and hash(tuple(digests[: prefix.length])) == prefix.digest:
                known = prefix
        newest = Prefix(len(digests), hash(tuple(digests)))
        rest = tuple(prefix for prefix in self.prefixes if prefix not in (known, newest))
        self.prefixes = (newest, *rest)[:CONVERSATIONS_KEPT]
        return known.length if known is not None else 0

    def repeats(self, key: str, text: str) -> bool:
        """Whether long content of another kind, tool definitions say, is what the span before it carried."""
        if len(text) <= SYSTEM_LIMIT:
            return False
        digest = hash(text)
        repeated = self.others.get(key) == digest
        self.others[key] = digest
        return repeated


def print_of(message: Any) -> Print:
    """Recognise a message by what it says and not by which object it is: programs change theirs in place."""
    fields = fields_of(message)
    content = fields.get("content")
    if isinstance(content, str) and fields.keys() <= _PLAIN:
        try:
            return Print(hash((content, fields.get("role"), fields.get("tool_call_id"))), len(content))
        except TypeError:  # a role or id that is no text
            pass
    text = json_text(fields)
    return Print(hash(text), len(text))


def _is_short(messages: Sequence[Any], limit: int) -> bool:
    """Whether messages surely are within the limit, told at a glance."""
    left = limit
    for message in messages:
        content = (message if type(message) is dict else fields_of(message)).get("content")
        left -= len(content) + 32 if isinstance(content, str) else 544 if content is None else limit
        if left < 0:
            return False
    return True


def unrecorded(sent: Sent, messages: Sequence[Any], limit: int | None) -> tuple[Sequence[Any], int]:
    """The messages that a span has to carry, and how many it leaves out."""
    if limit is None:
        return messages, 0
    if _is_short(messages, limit):
        return messages, 0
    prints = [print_of(message) for message in messages]
    repeated = min(sent.repeated(prints), len(messages) - 1)
    if repeated <= 0 or sum([each.characters for each in prints]) <= limit:
        return messages, 0
    first = fields_of(messages[0])
    if first.get("role") in ("system", "developer") and prints[0].characters <= SYSTEM_LIMIT:
        return [messages[0], *messages[repeated:]], repeated - 1
    return messages[repeated:], repeated
