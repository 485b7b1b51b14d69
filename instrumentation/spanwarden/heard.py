"""A conversation as sessions know it: who spoke, what came back for which call, whatever API it went through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from spanwarden.encode import fields_of, word_in
from spanwarden.messages import AskedCall, asked_calls

ROLES_OF_RESULTS: Final = ("tool", "function")


class Heard(NamedTuple):
    """One message: the role is empty for what is no message; `call_id` is set for a tool's result."""

    role: str
    content: Any
    call_id: str = ""


SILENCE: Final = Heard("", None)
"""Stands for the newest message where there is none."""

Hear: TypeAlias = Callable[[Any], Heard]
Calls: TypeAlias = Callable[[Any], Sequence[AskedCall]]


@dataclass(slots=True, eq=False)
class Conversation:
    """What a request brings, and how to read it.

    `newest` is the last of the messages as it was read. `response_id` names an earlier answer that it continues,
    `conversation_id` a conversation that the provider keeps.
    """

    messages: Sequence[Any]
    newest: Heard
    hear: Hear
    calls: Calls
    response_id: str = ""
    conversation_id: str = ""

    def keep(self) -> None:
        """Keep the messages as they are now: the program may change its list before the call is over."""
        self.messages = self.messages[:]

    def last_content(self) -> Any:
        """What the newest message says; what is no message is passed over."""
        return self.newest.content if self.newest.role else self.before(len(self.messages))

    def before(self, index: int) -> Any:
        """What the message before a position says; what is no message in between is passed over."""
        for earlier in range(index - 1, -1, -1):
            heard = self.hear(self.messages[earlier])
            if heard.role:
                return heard.content
        return None

    def brings_results(self) -> bool:
        """Whether a tool's result is one of the two newest messages: a word of the user may follow it."""
        if self.newest.role in ROLES_OF_RESULTS:
            return True
        return len(self.messages) > 1 and self.hear(self.messages[-2]).role in ROLES_OF_RESULTS

    def has_answers(self) -> bool:
        """Whether it brings back anything that the model said."""
        return bool(self.response_id) or any(self.hear(message).role == "assistant" for message in self.messages)


def hear_message(message: Any) -> Heard:
    """Read a message of chat completions."""
    fields = message if type(message) is dict else fields_of(message)
    role, content = fields.get("role"), fields.get("content")
    if role == "tool":
        return Heard(role, content, word_in(fields.get("tool_call_id")))
    said = content if content is None or type(content) is str else plain_text(content)
    return Heard(role if type(role) is str else word_in(role), said)


def plain_text(content: Any) -> Any:
    """The text of a message that is only text, however it is spelt; else its content."""
    if isinstance(content, list | tuple):
        texts = [fields_of(part).get("text") for part in content]
        if all(isinstance(text, str) for text in texts):
            return "".join(map(str, texts))
    return content


def calls_of_message(message: Any) -> Sequence[AskedCall]:
    """The tool calls of a message of chat completions."""
    fields = fields_of(message)
    return asked_calls(fields) if fields.get("tool_calls") else ()


def chat_conversation(arguments: Mapping[str, Any], messages: Sequence[Any]) -> Conversation:  # noqa: ARG001 - as every API
    """The conversation of a chat completions request."""
    newest = hear_message(messages[-1]) if messages else SILENCE
    return Conversation(messages, newest, hear_message, calls_of_message)
