"""Answers that the program reads as bytes: copied as they pass, and decoded once they have ended.

Covers raw and streaming responses in each of their ways to be read: parsed, as JSON, text, lines or bytes.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from spanwarden.encode import decoded_body, fields_of
from spanwarden.gathering import Gathering, Times
from spanwarden.streams import Follower, Following, and_then, and_then_async

BYTES_LIMIT: Final = 64 * 1024 * 1024
"""Bytes copied of one answer. A longer one is recorded without its content."""


class BodyGathering:
    """Keeps the blocks of a body until it has ended; then what it holds is read in one go."""

    def __init__(self, response: Any, gather: Callable[[], Gathering], limit: int = BYTES_LIMIT) -> None:
        self.error_type: str | None = None
        self._response = response
        self._gather = gather
        self._blocks: list[bytes] = []
        self._left = limit
        self._read: Gathering | None = None
        self._answer: Any = None

    @property
    def times(self) -> Times:
        """Nothing: when a piece of a body was decoded says nothing."""
        return {}

    @property
    def ended(self) -> bool:
        """Whether the body said that it is over."""
        self.answer()
        return self._answer is not None or (self._read is not None and self._read.ended)

    @property
    def cut(self) -> bool:
        """Whether something had to be left out."""
        return self._left < 0 or (self._read is not None and self._read.cut)

    def add(self, block: bytes) -> None:
        """Keep a block."""
        self._left -= len(block)
        if self._left >= 0:
            self._blocks.append(block)
        else:
            self._blocks.clear()

    def answer(self) -> Any:
        """The answer that the body holds; an empty one where there is none."""
        if self._answer is None and self._read is None:
            self.read(self._content())
        return self._answer if self._answer is not None else self._read.answer() if self._read is not None else {}

    def _content(self) -> bytes:
        """The whole body, decompressed the way the response says."""
        raw, response = b"".join(self._blocks), self._response
        if not raw or not response.headers.get("content-encoding"):
            return raw
        try:
            return bytes(type(response)(response.status_code, headers=response.headers, content=raw).content)
        except Exception as error:
            if type(error).__name__ != "DecodingError":  # of whichever HTTP package it is
                raise
            return b""  # it broke off, or is not what its header says; the program sees that as well

    def read(self, body: bytes) -> None:
        """Read a body that has ended."""
        self._read = self._gather()
        if body[:1] == b"{":
            with contextlib.suppress(ValueError):  # it broke off, or is no JSON; the program sees that as well
                self._answer = fields_of(decoded_body(body))
            return
        for line in body.splitlines():
            if line.startswith(b"data:") and not line.startswith(b"data: [DONE]"):
                self._add_event(self._read, line[5:])
        self.error_type = self._read.error_type

    def _add_event(self, gathering: Gathering, data: bytes) -> None:
        try:
            event = decoded_body(data)
        except ValueError:
            return  # the last line of a body that broke off
        error = fields_of(event).get("error")
        if error:
            gathering.error_type = str(fields_of(error).get("type") or "APIError")
        else:
            gathering.add(event)


def copy_body(response: Any, following: Following, abandoned: Callable[[Following], None]) -> bool:
    """Copy the body of an HTTP response as it is read; false where it cannot be."""
    inner = getattr(response, "stream", None)
    kinds = _copying_kinds(type(response).__module__.partition(".")[0])
    if inner is None or kinds is None:
        return False
    response.stream = kinds[not hasattr(inner, "__iter__")](inner, following, abandoned)
    return True


@lru_cache(maxsize=4)
def _copying_kinds(package: str) -> tuple[type, type] | None:
    """The two kinds of body that copy, for the HTTP package in use: it checks that bodies are of its own types."""
    module = sys.modules.get(package)
    sync_base = getattr(module, "SyncByteStream", None)
    async_base = getattr(module, "AsyncByteStream", None)
    if sync_base is None or async_base is None:
        return None
    return type("CopiedBody", (_CopiedBody, sync_base), {}), type("AsyncCopiedBody", (_CopiedBody, async_base), {})


class _CopiedBody:
    """A body, sync or async, whose blocks are followed."""

    def __init__(self, inner: Any, following: Following, abandoned: Callable[[Following], None]) -> None:
        self._inner = inner
        self._following = following
        self._abandoned = abandoned
        if hasattr(inner, "close"):
            self.close = and_then(inner.close, following.closed)
        if hasattr(inner, "aclose"):
            self.aclose = and_then_async(inner.aclose, following.closed)

    def __getattr__(self, name: str) -> Any:
        if name in ("_inner", "_following"):  # a copy that could not be made
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __iter__(self) -> Follower:
        return Follower(iter(self._inner), self._following, self._abandoned)

    def __aiter__(self) -> Follower:
        return Follower(aiter(self._inner), self._following, self._abandoned)

    def __del__(self) -> None:
        if "_following" in self.__dict__:
            self._abandoned(self._following)
