"""JSON values that are too long for an attribute -> the same shape with long texts cut in the middle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from spanwarden.encode import json_text

_SHORTEST_TEXT: Final = 64
"""Texts are not cut below this; beyond it whole items go, from the middle of lists."""


def fitting(value: Any, limit: int, part_limit: int | None = None) -> tuple[str, bool]:
    """JSON of at most `limit` characters, no text in it over `part_limit`, and whether something was cut.

    Heads and tails stay.
    """
    whole = json_text(value)
    longest = limit if part_limit is None or part_limit > limit else part_limit
    if len(whole) <= longest:
        return whole, False
    value = json.loads(whole)  # in terms of JSON, and no longer without end
    short = _with_short_texts(value, longest)
    text = json_text(short)
    if len(text) <= limit:
        return text, short != value
    longest = min(limit // 2, longest)
    while longest >= _SHORTEST_TEXT:
        text = json_text(_with_short_texts(value, longest))
        if len(text) <= limit:
            return text, True
        longest //= 2
    return _with_fewer_items(_with_short_texts(value, _SHORTEST_TEXT), limit), True


def cut_text(text: str, limit: int) -> tuple[str, bool]:
    """Text of at most `limit` characters with its middle cut out, and whether it was cut."""
    if len(text) <= limit:
        return text, False
    mark = f"…[{len(text) - limit} characters cut]…"
    kept = max(limit - len(mark), 0)
    tail = kept // 2
    return (text[: kept - tail] + mark + text[len(text) - tail :])[:limit], True


def _with_short_texts(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return cut_text(value, longest)[0]
    if isinstance(value, Mapping):
        return {key: _with_short_texts(item, longest) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_short_texts(item, longest) for item in value]
    return value


def _with_fewer_items(value: Any, limit: int) -> str:
    """The first and last items of a list that fit; a value of another shape that is still too long is left out."""
    items = value if isinstance(value, list) else []
    kept = len(items) // 2
    while kept > 0:
        text = json_text(items[: kept - kept // 2] + items[len(items) - kept // 2 :])
        if len(text) <= limit:
            return text
        kept //= 2
    return "[]"
