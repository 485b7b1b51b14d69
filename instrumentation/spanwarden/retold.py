"""History that a program sends back in words of its own.

Some programs write the model's tool calls and their results into plain text, or add to its answers. What they tell is
compared only with the session that the same thread or task last spoke in.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

from spanwarden.heard import Conversation, Heard
from spanwarden.session import Call, Said, Session

DISTINCT_LENGTH: Final = 6
"""Characters of a call id that is looked for in text: a shorter one may stand there for something else."""
CALLS_LOOKED_FOR: Final = 32
"""Open calls, from the newest on, whose ids are looked for."""


class Retold(NamedTuple):
    """The newest thing that the assistant said, as a request has it, and what stands before and after it."""

    text: str
    before: int
    after: Heard | None


def retold_in(conversation: Conversation) -> Retold | None:
    """What a request tells of the assistant's last words; `None` where there are none."""
    messages = conversation.messages
    for index in range(len(messages) - 1, -1, -1):
        heard = conversation.hear(messages[index])
        if heard.role == "assistant":
            if not isinstance(heard.content, str):
                return None
            after = conversation.hear(messages[index + 1]) if index + 1 < len(messages) else None
            return Retold(heard.content.strip(), index, after)
    return None


def calls_told(session: Session, retold: Retold) -> Sequence[Call]:
    """The open calls of a session that the text names by their ids, in their order."""
    newest = islice(reversed(session.pending.values()), CALLS_LOOKED_FOR)
    told = [call for call in newest if len(call.asked.id) >= DISTINCT_LENGTH and call.asked.id in retold.text]
    return told[::-1]


def begins_with(retold: Retold, said: Said) -> bool:
    """Whether the text is an answer with more behind it."""
    return len(retold.text) >= said.length and hash(retold.text[: said.length]) == said.text
