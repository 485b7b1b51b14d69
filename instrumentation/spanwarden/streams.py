"""Streams of the client, followed while the program reads them: each ends its call exactly once, however it ends.

The stream object stays the client's own; only the iterator inside of it is replaced. Nothing is read ahead, and no
context is held between two chunks.
"""

from __future__ import annotations

import atexit
import contextlib
import queue
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from spanwarden.gathering import Gathering
from spanwarden.guard import Counts

GAPS_LIMIT: Final = 65_536
"""Times between chunks that are measured of one stream, the first ones."""


class Ending(NamedTuple):
    """How a stream ended: when its first chunk came, what was gathered, and what it raised.

    `broken_off` is true where it did not come to its own end; `chunk_gaps_ns` is how long each chunk after the first
    took, where somebody measures that.
    """

    gathering: Gathering
    first_ns: int | None
    ended_ns: int
    broken_off: bool
    error: BaseException | None
    chunk_gaps_ns: Sequence[int] = ()


class Following:
    """One stream on its way. `end` is called once, by whoever comes first; calls from any thread are safe."""

    __slots__ = (
        "__weakref__",
        "_counts",
        "_end",
        "_failed",
        "_gaps_ns",
        "_last_ns",
        "first_ns",
        "gathering",
        "measured",
        "reading",
    )

    def __init__(
        self, gathering: Gathering, end: Callable[[Ending], None], counts: Counts, *, measured: bool = False
    ) -> None:
        self.gathering = gathering
        self.measured = measured
        self.reading = False
        self.first_ns: int | None = None
        self._gaps_ns: list[int] = []
        self._last_ns = 0
        self._end = [end]
        self._counts = counts
        self._failed = False

    def add(self, chunk: Any) -> None:
        """Take in a chunk; the first one that cannot be read is counted and ends the gathering, not the stream."""
        if self.measured:
            self._note_gap()
        if self.first_ns is None:
            self.first_ns = time.time_ns()
        if self._failed or not self._end:
            return
        try:
            self.gathering.add(chunk)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ours and not the caller's
            self._failed = True
            self._counts.note_fault("Following.add", error)

    def _note_gap(self) -> None:
        """Note how long a chunk took after the one before it."""
        now_ns = time.perf_counter_ns()
        if self.first_ns is not None and len(self._gaps_ns) < GAPS_LIMIT:
            self._gaps_ns.append(now_ns - self._last_ns)
        self._last_ns = now_ns

    def finish(self, error: BaseException | None = None, *, broken_off: bool = False) -> None:
        """End the call."""
        ended_ns = time.time_ns()
        try:
            end = self._end.pop()
        except IndexError:
            return
        broken_off = (broken_off or error is not None) and not self._has_ended()
        try:
            end(Ending(self.gathering, self.first_ns, ended_ns, broken_off, error, self._gaps_ns))
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is ours and not the caller's
            self._counts.note_fault("Following.finish", fault)

    def _has_ended(self) -> bool:
        """Whether what came says that it is over; what cannot be read does not."""
        try:
            return self.gathering.ended
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is ours and not the caller's
            self._counts.note_fault("Following._has_ended", fault)
            return False

    def closed(self) -> None:
        """The response was closed. While a chunk is being read, what reading raises says more than this."""
        if not self.reading:
            self.finish(broken_off=True)

    def __enter__(self) -> None:
        self.reading = True

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Reading a chunk ended: with the chunk, with the end of the stream, or with an error."""
        self.reading = False
        if error is None or _is_read_elsewhere(error):
            return
        if isinstance(error, StopIteration | StopAsyncIteration):
            self.finish()
        elif isinstance(error, GeneratorExit):
            self.finish(broken_off=True)
        else:
            self.finish(error)


def _is_read_elsewhere(error: BaseException) -> bool:
    """Whether Python refused to read because another thread or task is reading just now: the stream goes on there."""
    return isinstance(error, ValueError | RuntimeError) and str(error).endswith(
        ("already executing", "already running")
    )


class Follower:
    """Stands for an iterator, sync or async, inside of a stream or of the body of a response."""

    def __init__(self, inner: Any, following: Following, abandoned: Callable[[Following], None]) -> None:
        self._inner = inner
        self._following = following
        self._abandoned = abandoned

    def __getattr__(self, name: str) -> Any:
        if name in ("_inner", "_following"):  # a copy that could not be made
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with self._following:
            chunk = self._inner.__next__()
        self._following.add(chunk)
        return chunk

    async def __anext__(self) -> Any:
        with self._following:
            chunk = await self._inner.__anext__()
        self._following.add(chunk)
        return chunk

    def __del__(self) -> None:
        if "_following" in self.__dict__:
            self._abandoned(self._following)


class OpenStreams:
    """Sees to it that streams which nobody reads to their end still end their calls.

    What the garbage collector finds is handed to a thread: it may run anywhere, inside of a lock of the SDK even.
    """

    def __init__(self) -> None:
        self._stopped = False
        self._start_empty()

    def _start_empty(self) -> None:
        self._abandoned: queue.SimpleQueue[Following | None] = queue.SimpleQueue()
        self._open: set[weakref.ref[Following]] = set()  # each change and copy of it is atomic
        self._ender: threading.Thread | None = None
        self._starting = threading.RLock()  # a collection inside of it may begin a stream

    def after_fork(self) -> None:
        """Forget the parent's streams, which the parent ends."""
        self._start_empty()

    def follow(self, stream: Any, following: Following) -> None:
        """Take the place of the iterator in a stream of the client."""
        stream._iterator = Follower(stream._iterator, following, self.abandoned)
        response = getattr(stream, "response", None)
        watch_closing(getattr(response, "stream", None), following.closed)
        self.keep(following)

    def keep(self, following: Following) -> None:
        """End this one at exit, should it still be open."""
        self._open.add(weakref.ref(following, self._open.discard))
        if self._stopped:  # one that was on its way when the others were ended
            following.finish(broken_off=True)
        elif self._ender is None:
            with self._starting:
                self._start_ender()

    def _start_ender(self) -> None:
        if self._ender is None:
            # Registered now and not earlier: exit handlers run last in, first out, and ours must come before the
            # one that shuts the provider down.
            atexit.register(self.close_all)
            self._ender = threading.Thread(target=self._end_abandoned, name="spanwarden-streams", daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread can start any more: the exit handler is near
                self._ender.start()

    def abandoned(self, following: Following) -> None:
        """Note that nobody can read a stream any more. Safe inside of a collection."""
        self._abandoned.put(following)

    def close_all(self) -> None:
        """End every stream with what came of it so far."""
        for known in list(self._open):
            following = known()
            if following is not None:
                following.finish(broken_off=True)

    def stop(self) -> None:
        """End every stream and the thread."""
        self._stopped = True
        self.close_all()
        atexit.unregister(self.close_all)
        if self._ender is not None:
            self._abandoned.put(None)
            self._ender = None

    def _end_abandoned(self) -> None:
        waiting = self._abandoned
        while (following := waiting.get()) is not None:
            following.finish(broken_off=True)


def watch_closing(body: Any, closed: Callable[[], None]) -> None:
    """Call `closed` after the body of a response was closed, sync or async. Bodies are never pickled or compared."""
    with contextlib.suppress(AttributeError):  # a transport's own body may take no attributes: collection ends it
        if hasattr(body, "close"):
            body.close = and_then(body.close, closed)
        if hasattr(body, "aclose"):
            body.aclose = and_then_async(body.aclose, closed)


def and_then(close: Callable[..., None], closed: Callable[[], None]) -> Callable[..., None]:
    """A function that closes and tells so, whether closing worked or not."""

    def close_and_tell(*args: Any, **kwargs: Any) -> None:
        try:
            close(*args, **kwargs)
        finally:
            closed()

    return close_and_tell


def and_then_async(close: Callable[..., Awaitable[None]], closed: Callable[[], None]) -> Callable[..., Awaitable[None]]:
    """The same for what is closed asynchronously."""

    async def close_and_tell(*args: Any, **kwargs: Any) -> None:
        try:
            await close(*args, **kwargs)
        finally:
            closed()

    return close_and_tell
