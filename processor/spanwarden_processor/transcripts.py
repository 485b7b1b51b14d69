"""Files of recorded conversations, one after another: OpenAI chat messages as JSON or as JSON Lines.

A JSON file holds one conversation, a list of messages or an object with `messages`; of JSON Lines each line does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, TypeAlias

from spanwarden_processor.json_care import parse

STANDARD_INPUT: Final = "-"
CONVERSATION_BYTES_MAX: Final = 64 * 1024 * 1024
"""The largest conversation that is read: a line, or a file that is no JSON Lines."""
_DIGEST_BYTES: Final = 32
_LINES_SUFFIXES: Final = (".jsonl", ".ndjson")
_TOO_LARGE: Final = f"larger than {CONVERSATION_BYTES_MAX // 2**20} MiB"
_EXPECTED: Final = 'expected a list of chat messages, each with a "role", or an object with such "messages"'

Took: TypeAlias = Callable[[int], object]
"""Hears of the bytes that were read."""


class Conversation(NamedTuple):
    """Messages, the file that holds them, and their position among its conversations, from 0.

    `digest` is a cryptographic one, of all their bytes.
    """

    path: str
    position: int
    messages: list[Any]
    digest: bytes


class Unreadable(NamedTuple):
    """A file, or a line of it (from 1), that holds no conversation, and why."""

    path: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        return f"{self.path}{f':{self.line}' if self.line else ''}: {self.reason}"


def read_transcripts(path: str, took: Took) -> Iterator[Conversation | Unreadable]:
    """The conversations of one file, `-` for standard input, each read when it is asked for."""
    try:
        source = nullcontext(sys.stdin.buffer) if path == STANDARD_INPUT else Path(path).open("rb")  # noqa: SIM115 - closed below
        with source as file:
            yield from _conversations(path, _lines(file, took))
    except OSError as error:
        yield Unreadable(path, None, error.strerror or str(error))


class _Line(NamedTuple):
    """A line that is not blank, its number from 1; without content where it is too large."""

    number: int | None
    content: bytes | None


class _Json(NamedTuple):
    """A value, or the reason why there is none."""

    value: Any
    problem: str | None = None


def _conversations(path: str, lines: Iterator[_Line]) -> Iterator[Conversation | Unreadable]:
    first = next(lines, None)
    if first is None:
        yield Unreadable(path, None, "is empty")
        return
    json = _json(first)
    if json.problem and not path.endswith(_LINES_SUFFIXES):
        # A document over several lines: its first one alone says nothing.
        whole = _joined(chain([first], lines))
        yield _conversation(path, 0, whole, _json(whole))
        return
    yield _conversation(path, 0, first, json)
    for position, line in enumerate(lines, start=1):
        yield _conversation(path, position, line, _json(line))


def _conversation(path: str, position: int, line: _Line, json: _Json) -> Conversation | Unreadable:
    if json.problem or line.content is None:
        return Unreadable(path, line.number, json.problem or _TOO_LARGE)
    messages = json.value.get("messages") if isinstance(json.value, dict) else json.value
    if not isinstance(messages, list) or not any(isinstance(each, dict) and "role" in each for each in messages):
        return Unreadable(path, line.number, _EXPECTED)
    return Conversation(path, position, messages, blake2b(line.content, digest_size=_DIGEST_BYTES).digest())


def _lines(file: BinaryIO, took: Took) -> Iterator[_Line]:
    """The lines of a file, one at a time. One that is too large is passed over, never held."""
    number = 0
    while line := file.readline(CONVERSATION_BYTES_MAX + 1):
        number += 1
        took(len(line))
        if len(line) > CONVERSATION_BYTES_MAX:
            while line and not line.endswith(b"\n"):
                line = file.readline(CONVERSATION_BYTES_MAX + 1)
                took(len(line))
            yield _Line(number, None)
        elif content := line.strip():
            yield _Line(number, content)


def _joined(lines: Iterable[_Line]) -> _Line:
    """All lines as one, up to the largest that is read."""
    pieces: list[bytes] = []
    size = 0
    for _, content in lines:
        size += CONVERSATION_BYTES_MAX if content is None else len(content) + 1
        if content is None or size > CONVERSATION_BYTES_MAX:
            return _Line(None, None)
        pieces.append(content)
    return _Line(None, b"\n".join(pieces))


def _json(line: _Line) -> _Json:
    if line.content is None:
        return _Json(None, _TOO_LARGE)
    try:
        value, flaw = parse(line.content.decode("utf-8-sig"), CONVERSATION_BYTES_MAX)
    except UnicodeDecodeError:
        return _Json(None, "is not UTF-8")
    return _Json(value, None if flaw is None else "is cut off" if flaw == "truncated" else "is not JSON")
