"""JSON as senders really write it, to Python: whole, cut off, or broken, and the answer says which."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, TypeAlias

import orjson
from pydantic_core import from_json

Flaw: TypeAlias = Literal["truncated", "redacted", "error"]
"""What is wrong with content: it was cut, blotted out by its sender, or cannot be read."""

_CUT_MARK: Final = re.compile(r"(?:\.{3}|…)?\s*[\[(<]?truncated[^\])>\"]{0,80}[\])>]?\s*\Z", re.IGNORECASE)
_CUT_MARK_WINDOW: Final = 120
_HALF_PAIR: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_MESSAGE_START: Final = re.compile(r",\s*(?=\{\s*\"role\"\s*:)")
_REDACTED: Final = re.compile(
    r"\s*[\[<(*_{]+\s*(?:redacted|filtered|masked|hidden)(?![^\W_])[^\])>]{0,40}[\])>*_}]+\s*", re.IGNORECASE
)
REDACTED_CHARACTERS_MAX: Final = 80


Parsed: TypeAlias = tuple[Any, Flaw | None]
"""A value and what is wrong with it; a text that cannot be read at all gives None and `error`."""


def parse(text: str, max_characters: int) -> Parsed:
    """The value of a JSON text; of a cut one as much as can be read, and of a too long one its head and tail."""
    if len(text) > max_characters:
        return _ends(text, max_characters)
    try:
        return orjson.loads(text), None
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return (None, "redacted") if is_redacted(text) else _lenient(text)


def is_redacted(text: str) -> bool:
    """Whether the whole text is a mark that its sender put in place of what stood there."""
    return len(text) < REDACTED_CHARACTERS_MAX and _REDACTED.fullmatch(text) is not None


def as_text(value: Any) -> str:
    """Text of a structured value: that of its text parts where it is a list of those, else its JSON."""
    if value is None:
        return ""
    if isinstance(value, list) and value and all(isinstance(item, dict) and "text" in item for item in value):
        return "\n".join(str(item["text"]) for item in value)
    return json_of(value)


def json_of(value: Any) -> str:
    """The JSON of a value, its keys as they are. Raises `TypeError` for what JSON cannot say, an integer of 70 bits."""
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def spelled(value: Any) -> str:
    """The one spelling of a value: keys in order, no spaces."""
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS).decode()


def _lenient(text: str) -> Parsed:
    """What of a text that is no JSON can be read all the same."""
    text = _HALF_PAIR.sub(r"\\ufffd", text.encode("utf-8", "replace").decode())
    try:
        return from_json(text), None
    except ValueError:
        head, window = text[:-_CUT_MARK_WINDOW], text[-_CUT_MARK_WINDOW:]
    try:
        value = from_json(head + _CUT_MARK.sub("", window), allow_partial="trailing-strings")
    except ValueError:
        return None, "error"
    return (value, "truncated") if isinstance(value, list | dict) else (None, "error")


def _ends(text: str, max_characters: int) -> Parsed:
    """The first and last messages of an array that is too long to be read whole."""
    half = max_characters // 2
    head, flaw = _lenient(text[:half])
    if flaw == "error" or not isinstance(head, list):
        return None, "error"
    # A quote inside of a string is escaped, so what looks like the start of a message is one, or an object's within.
    start = _MESSAGE_START.search(text, len(text) - half)
    try:
        tail = orjson.loads("[" + text[start.end() :]) if start else []
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        tail = []
    return [*head, *tail], "truncated"
