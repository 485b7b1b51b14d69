"""Every spelling of reasoning -> thoughts: texts with what kind of reasoning they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from spanwarden.encode import fields_of, items_in, json_text

ReasoningKind: TypeAlias = Literal["raw", "summary", "encrypted"]
"""How much of the reasoning a monitor can read."""

_TEXT_FIELDS: Final = ("reasoning_content", "reasoning")
_ITEM_FIELDS: Final[tuple[tuple[str, ReasoningKind], ...]] = (("content", "raw"), ("summary", "summary"))
_OPEN, _CLOSE = "<think>", "</think>"


class Thought(NamedTuple):
    """One piece of reasoning. `source` tells which choice or output item it is of, `encrypted_size` what is hidden."""

    text: str
    kind: ReasoningKind = "raw"
    encrypted_size: int = 0
    source: int = 0

    def part(self) -> dict[str, Any]:
        """The thought as a message part of the conventions."""
        part: dict[str, Any] = {"type": "reasoning", "content": self.text}
        if self.kind != "raw":
            part["kind"] = self.kind
        if self.encrypted_size:
            part["encrypted_size"] = self.encrypted_size
        return part


def thoughts_of(message: Mapping[str, Any], source: int = 0, *, think_tags: bool = False) -> list[Thought]:
    """The reasoning of an assistant message. Servers that use several spellings say the same thing in each."""
    thoughts: list[Thought] = []
    for field in _TEXT_FIELDS:
        value = message.get(field)
        if value:
            _add(thoughts, Thought(value if isinstance(value, str) else json_text(value), "raw", 0, source))
    details = message.get("reasoning_details")
    if isinstance(details, list | tuple):
        for thought in _details(details, source):
            _add(thoughts, thought)
    if think_tags:
        text = split_think(message.get("content"))[0]
        if text:
            _add(thoughts, Thought(text, "raw", 0, source))
    return thoughts


def _add(thoughts: list[Thought], thought: Thought) -> None:
    """Add what is new: neither the same text again, nor a piece of a text that is there in full."""
    if not (thoughts and thought.text and any(thought.text in known.text for known in thoughts)):
        thoughts.append(thought)


def _details(details: Iterable[Any], source: int) -> Iterable[Thought]:
    """The entries of `reasoning_details`; what is of an unknown type is kept as its JSON."""
    for item in details:
        detail = fields_of(item)
        text, summary, data = detail.get("text"), detail.get("summary"), detail.get("data")
        if isinstance(text, str):
            yield Thought(text, "raw", 0, source)
        elif isinstance(summary, str):
            yield Thought(summary, "summary", 0, source)
        elif isinstance(data, str):
            yield Thought("", "encrypted", len(data), source)
        else:
            yield Thought(json_text(item), "raw", 0, source)


def split_think(content: Any) -> tuple[str, Any]:
    """What stands in `<think>` at the start of a text, and the text without it. An open tag reaches to the end."""
    if not isinstance(content, str):
        return "", content
    text = content.lstrip()
    if not text.startswith(_OPEN):
        return "", content
    inside, closed, rest = text[len(_OPEN) :].partition(_CLOSE)
    return inside.strip(), rest.lstrip() if closed else ""


def thoughts_of_item(item: Mapping[str, Any], source: int = 0) -> list[Thought]:
    """The reasoning of a Responses item: its content, its summary, and the size of what is encrypted."""
    encrypted = item.get("encrypted_content")
    size = len(encrypted) if isinstance(encrypted, str) else 0
    thoughts: list[Thought] = []
    for field, kind in _ITEM_FIELDS:
        texts = item.get(field)
        if not texts:
            continue
        if isinstance(texts, str):
            texts = [{"text": texts}]
        text = "\n\n".join([str(fields_of(each).get("text") or "") for each in items_in(texts)])
        if text:
            thoughts.append(Thought(text, kind, size, source))
    return thoughts or ([Thought("", "encrypted", size, source)] if size else [])
