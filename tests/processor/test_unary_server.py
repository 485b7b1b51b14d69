"""The gRPC server: every call is answered once, whoever answers it and whenever."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import grpc
import pytest

from spanwarden_processor.receive.unary_server import OK, OPEN_CALLS, Answer, UnaryServer

METHOD = "/bench.Service/Call"


class Taken(NamedTuple):
    """A request that waits for its answer."""

    request: bytes
    answer: Callable[[Answer], None]


class Running(NamedTuple):
    """A server that answers when the test does, and a client of it."""

    server: UnaryServer
    taken: queue.SimpleQueue[Taken]
    channel: grpc.Channel

    def call(self, request: bytes, timeout: float = 20) -> grpc.Future:
        return self.channel.unary_unary(METHOD).future(request, timeout=timeout, wait_for_ready=True)

    def next(self) -> Taken:
        return self.taken.get(timeout=20)


@pytest.fixture
def running() -> Iterator[Running]:
    with _running(()) as started:
        yield started


@contextmanager
def _running(options: tuple[tuple[str, int], ...]) -> Iterator[Running]:
    taken: queue.SimpleQueue[Taken] = queue.SimpleQueue()
    server = UnaryServer(METHOD, lambda request, answer: taken.put(Taken(request, answer)), "127.0.0.1:0", options)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield Running(server, taken, channel)
    finally:
        server.stop(1)


def test_a_call_is_answered_from_another_thread_after_others(running: Running) -> None:
    first, second = running.call(b"first"), running.call(b"second")
    taken = {each.request: each.answer for each in (running.next(), running.next())}

    threading.Thread(target=taken[b"second"], args=(OK,)).start()
    answered_second = second.result(20)
    waits = not first.done()
    taken[b"first"](OK)

    assert waits
    assert (first.result(20), answered_second) == (b"", b"")


def test_a_refusal_carries_its_reason_and_its_metadata(running: Running) -> None:
    call = running.call(b"request")

    running.next().answer(Answer(grpc.StatusCode.UNAVAILABLE, "come again", (("detail-bin", b"\x00\xff"),)))

    assert (call.code(), call.details()) == (grpc.StatusCode.UNAVAILABLE, "come again")
    assert dict(call.trailing_metadata())["detail-bin"] == b"\x00\xff"


def test_another_method_is_not_implemented(running: Running) -> None:
    call = running.channel.unary_unary("/bench.Service/Other").future(b"", timeout=20, wait_for_ready=True)

    assert call.code() is grpc.StatusCode.UNIMPLEMENTED


def test_an_empty_and_a_compressed_request_arrive_as_they_were(running: Running) -> None:
    call = running.channel.unary_unary(METHOD)
    futures = [call.future(request, compression=grpc.Compression.Gzip) for request in (b"", b"x" * 10_000)]
    taken = [running.next(), running.next()]
    for each in taken:
        each.answer(OK)

    assert [future.result(20) for future in futures] == [b"", b""]
    assert sorted(each.request for each in taken) == [b"", b"x" * 10_000]


def test_a_request_over_the_limit_is_refused_and_the_next_is_taken() -> None:
    with _running((("grpc.max_receive_message_length", 1000),)) as running:
        too_large = running.call(b"x" * 1001)
        code = too_large.code()
        call = running.call(b"small")
        running.next().answer(OK)

        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert call.result(20) == b""


def test_an_answer_to_a_caller_who_has_left_does_no_harm(running: Running) -> None:
    gone = running.call(b"gone")
    taken = running.next()
    gone.cancel()
    taken.answer(OK)

    call = running.call(b"next")
    running.next().answer(OK)

    assert call.result(20) == b""


def test_what_fails_in_one_call_does_not_end_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def take(request: bytes, answer: Callable[[Answer], None]) -> None:
        if request == b"bad":
            raise ValueError("planted")
        answer(OK)

    server = UnaryServer(METHOD, take, "127.0.0.1:0", ())
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channel.unary_unary(METHOD)
        bad = call.future(b"bad", timeout=20, wait_for_ready=True)
        good = call(b"good", timeout=20)
        code = bad.code()
    server.stop(1)

    assert (good, code) == (b"", grpc.StatusCode.UNAVAILABLE)
    assert "planted" in caplog.text


def test_calls_beyond_the_limit_wait_and_are_answered_in_the_end(running: Running) -> None:
    calls = [running.call(b"%d" % number) for number in range(OPEN_CALLS + 20)]
    first = [running.next() for _ in range(OPEN_CALLS)]
    held_back = running.taken.empty()
    for each in first:
        each.answer(OK)
    for _ in range(20):
        running.next().answer(OK)

    assert held_back
    assert [call.result(20) for call in calls] == [b""] * len(calls)


def test_a_stop_lets_calls_under_way_be_answered(running: Running) -> None:
    call = running.call(b"request")
    taken = running.next()
    stopping = threading.Thread(target=running.server.stop, args=(20,))

    stopping.start()
    taken.answer(OK)
    stopping.join(20)

    assert call.result(20) == b""
    assert not stopping.is_alive()


def test_a_stop_does_not_wait_for_ever(running: Running) -> None:
    call = running.call(b"request")
    taken = running.next()

    running.server.stop(0.1)
    code = call.code()
    taken.answer(OK)

    assert code in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)


def test_an_address_in_use_is_an_error(running: Running) -> None:
    with pytest.raises(RuntimeError, match="cannot be bound"):
        UnaryServer(METHOD, print, f"127.0.0.1:{running.server.port}", (("grpc.so_reuseport", 0),))
