"""Answers that the program reads as bytes: copied as they pass, and decoded once they have ended.

Covers raw and streaming responses in each of their ways to be read: parsed, as JSON, text, lines or bytes.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache
from typing import Any, Final

import orjson

from spanwarden.encode import fields_of
from spanwarden.gathering import Gathering, Times
from spanwarden.streams import Following

BYTES_LIMIT: Final = 64 * 1024 * 1024
"""Bytes copied of one answer. A longer one is recorded without its content."""


class _Copy:
    """The bytes that passed, and the following that they end."""

    def __init__(self, following: Following, response: Any) -> None:
        self.following = following
        self._response = response
        self._blocks: list[bytes] = []
        self._left = BYTES_LIMIT

    def add(self, block: bytes) -> None:
        """Keep a block."""
        self.following.add(None)
        self._left -= len(block)
        if self._left >= 0:
            self._blocks.append(block)

    def content(self) -> bytes:
        """The whole body, decompressed the way the response says."""
        if self._left < 0:
            return b""
        raw = b"".join(self._blocks)
        response = self._response
        if not response.headers.get("content-encoding"):
            return raw
        return bytes(type(response)(response.status_code, headers=response.headers, content=raw).content)


class BodyGathering:
    """Stands for a gathering until the body has ended; then what it holds is read in one go."""

    def __init__(self, gather: Callable[[], Gathering]) -> None:
        self.copy: _Copy | None = None
        self.error_type: str | None = None
        self._gather = gather
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
        return self._read is not None and self._read.cut

    def add(self, chunk: Any) -> None:
        """Nothing: the bytes are kept by the copy."""

    def answer(self) -> Any:
        """The answer that the body holds; an empty one where there is none."""
        if self._answer is None and self._read is None and self.copy is not None:
            self.read(self.copy.content())
        return self._answer if self._answer is not None else self._read.answer() if self._read is not None else {}

    def read(self, body: bytes) -> None:
        """Read a body that has ended."""
        self._read = self._gather()
        if body[:1] == b"{":
            self._answer = fields_of(orjson.loads(body))
            return
        for line in body.splitlines():
            if line.startswith(b"data:") and not line.startswith(b"data: [DONE]"):
                self._add_event(self._read, line[5:])
        self.error_type = self._read.error_type

    def _add_event(self, gathering: Gathering, data: bytes) -> None:
        try:
            event = orjson.loads(data)
        except ValueError:
            return  # the last line of a body that broke off
        error = fields_of(event).get("error")
        if error:
            gathering.error_type = str(fields_of(error).get("type") or "APIError")
        else:
            gathering.add(event)


def copy_body(response: Any, following: Following, gathering: BodyGathering, abandoned: Callable[..., None]) -> bool:
    """Copy the body of an HTTP response as it is read; false where it cannot be."""
    inner = getattr(response, "stream", None)
    kinds = _copying_kinds(type(response).__module__.partition(".")[0])
    if inner is None or kinds is None:
        return False
    gathering.copy = _Copy(following, response)
    response.stream = kinds[not hasattr(inner, "__iter__")](inner, gathering.copy, abandoned)
    return True


@lru_cache(maxsize=4)
def _copying_kinds(package: str) -> tuple[type, type] | None:
    """The two kinds of body that copy, for the HTTP package in use: it checks that bodies are of its own types."""
    module = sys.modules.get(package)
    sync_base = getattr(module, "SyncByteStream", None)
    async_base = getattr(module, "AsyncByteStream", None)
    if sync_base is None or async_base is None:
        return None
    return type("CopiedBody", (_CopiedBody, sync_base), {}), type("AsyncCopiedBody", (_AsyncCopiedBody, async_base), {})


class _Copied:
    def __init__(self, inner: Any, copy: _Copy, abandoned: Callable[[Following], None]) -> None:
        self._inner = inner
        self._copy = copy
        self._abandoned = abandoned

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __del__(self) -> None:
        self._abandoned(self._copy.following)


class _CopiedBody(_Copied):
    def __iter__(self) -> Iterator[bytes]:
        following = self._copy.following
        following.reading = True
        try:
            for block in self._inner:
                following.reading = False
                self._copy.add(block)
                yield block
                following.reading = True
        except GeneratorExit:
            raise
        except BaseException as error:
            following.finish(error)
            raise
        finally:
            following.reading = False
        following.finish()

    def close(self) -> None:
        try:
            self._inner.close()
        finally:
            self._copy.following.closed()


class _AsyncCopiedBody(_Copied):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        following = self._copy.following
        following.reading = True
        try:
            async for block in self._inner:
                following.reading = False
                self._copy.add(block)
                yield block
                following.reading = True
        except GeneratorExit:
            raise
        except BaseException as error:
            following.finish(error)
            raise
        finally:
            following.reading = False
        following.finish()

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            self._copy.following.closed()
