"""Any Python value -> JSON text that always can be sent: never an exception, never a lone surrogate, never too long."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import orjson

_NOTHING: Final[Mapping[str, Any]] = {}
DEPTH_LIMIT: Final = 32
"""Nesting beyond this is not followed when a value needs the slow path."""


def sendable(text: str) -> str:
    """The same text, with lone surrogates escaped: one of them would make a whole batch of spans unsendable."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


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


def plain(value: Any, depth: int = 0) -> Any:
    """The value in terms of JSON: text keys, no NaN, no surrogates, bounded depth."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return sendable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth >= DEPTH_LIMIT:
        return "…"
    if isinstance(value, Mapping):
        return {sendable(_text(key)): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth + 1) for item in value]
    return plain(_known(value), depth + 1)


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
    return sendable(_text(value))


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - `__str__` is the user's code, and may do anything
        return f"<{type(value).__qualname__}>"
