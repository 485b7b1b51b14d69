"""Any Python value -> JSON text that always can be sent: never an exception, never a lone surrogate, never too long."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence, Sized
from typing import Any, Final

import orjson

_NOTHING: Final[Mapping[str, Any]] = {}
DEPTH_LIMIT: Final = 32
"""Nesting beyond this is not followed when a value needs the slow path."""
VALUES_LIMIT: Final = 65_536
"""Nor are further lists and mappings once there were so many values: those that hold each other are without end."""
_DIGITS_LIMIT: Final = 4_000
"""Digits of a number beyond which Python refuses to write it."""


def sendable(text: str) -> str:
    """The same text, with lone surrogates escaped: one of them would make a whole batch of spans unsendable."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def decoded_body(body: bytes) -> Any:
    """The JSON value of an answer as the client reads it, which takes lone surrogates and NaN; `ValueError` if none."""
    try:
        return orjson.loads(body)
    except ValueError:
        return json.loads(body)


def json_text(value: Any) -> str:
    """Encode as JSON. What orjson refuses (wide integers, odd keys, surrogates, cycles) takes a slower path."""
    try:
        return orjson.dumps(value, default=_known).decode()
    except (TypeError, ValueError, RecursionError):
        return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def fields_of(value: Any) -> Mapping[str, Any]:
    """The fields of a message given as a mapping or as one of the client's models; nothing for all else."""
    if type(value) is dict:
        return value
    if value is None:
        return _NOTHING
    try:  # one of the client's models: asking for what it has is far cheaper than asking whether it is a mapping
        own: dict[str, Any] = value.__dict__
        extra = value.__pydantic_extra__
    except AttributeError:
        return value if isinstance(value, Mapping) else getattr(value, "__dict__", _NOTHING)
    return {**own, **extra} if extra else own


def items_in(value: Any) -> Sequence[Any]:
    """The items of a list. Of what should be one and is not, none: an iterator of the program's is not ours to use."""
    return value if type(value) is list or isinstance(value, list | tuple) else ()


def word_in(value: Any) -> str:
    """A name, kind or id. Of what should be text and is not, none."""
    return value if isinstance(value, str) else ""


def id_in(value: Any) -> str:
    """The id that a value is, or has as a field."""
    return value if isinstance(value, str) else word_in(fields_of(value).get("id"))


def index_in(value: Any) -> int:
    """A position. What should be a number and is not counts as the first."""
    return value if isinstance(value, int) else 0


def plain(value: Any) -> Any:
    """The value in terms of JSON: text keys, no NaN, no surrogates, bounded depth and size, no circles."""
    return _Plain().of(value)


class _Plain:
    """One value on its way to terms of JSON: what it is inside of, and about how many values it may still see."""

    __slots__ = ("above", "left")

    def __init__(self) -> None:
        self.above: set[int] = set()
        self.left = VALUES_LIMIT

    def of(self, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return value if value.bit_length() < 3 * _DIGITS_LIMIT else f"<{value.bit_length()} bits>"
        if isinstance(value, str):
            return sendable(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if self.left <= 0 or len(self.above) >= DEPTH_LIMIT or id(value) in self.above:
            return "…"
        self.left -= len(value) + 1 if isinstance(value, Sized) else 1
        self.above.add(id(value))
        try:
            return self._inside(value)
        finally:
            self.above.discard(id(value))

    def _inside(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {sendable(text_of(key)): self.of(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.of(item) for item in value]
        return self.of(_known(value))


def _known(value: Any) -> Any:
    """What orjson does not know: models as their fields, sets as lists, all else as text. Consumes nothing."""
    if hasattr(type(value), "model_fields") or hasattr(type(value), "__fields__"):
        return dict(fields_of(value))
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return sendable(text_of(value))


def text_of(value: Any) -> str:
    """The text of any object."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - `__str__` is the user's code, and may do anything
        return f"<{type(value).__qualname__}>"
