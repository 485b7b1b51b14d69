"""A real Jaeger goes away for ten seconds and comes back: nothing that was acknowledged is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.backend_process import wait_until
from backends.compare import differences
from backends.jaeger import Jaeger, spans_in
from backends.otlp import resource_spans, sending_to
from processor_process import running_processor
from spanwarden_processor.testing import chat_span, request_for, says, user

SERVICE = "steady-agent"
DOWN_SECONDS = 10.0
REQUESTS_PER_SECOND = 20


@pytest.fixture
def jaeger_on_disk(tmp_path: Path) -> Iterator[Jaeger]:
    """A Jaeger that finds its spans again after a restart."""
    directory = tmp_path / "jaeger"
    directory.mkdir()
    with Jaeger(directory, keeps_data=True) as running:
        yield running


def requests() -> Iterator[bytes]:
    """Requests with one span each, no two alike."""
    number = 0
    while True:
        number += 1
        yield request_for(
            chat_span([user(f"Question {number}")], says(f"Answer {number}"), number=number), service=SERVICE
        )


def test_a_backend_that_is_away_for_ten_seconds_gets_everything(jaeger_on_disk: Jaeger, tmp_path: Path) -> None:
    stream = requests()
    with running_processor(jaeger_on_disk.url, tmp_path / "data") as processor, sending_to(processor.address) as sender:
        sender.send(next(stream))
        wait_until(lambda: arrived(jaeger_on_disk) == 1, "the arrival of the first span")
        jaeger_on_disk.stop()
        until = time.monotonic() + DOWN_SECONDS
        while time.monotonic() < until:
            sender.send(next(stream))
            time.sleep(1 / REQUESTS_PER_SECOND)
        jaeger_on_disk.start()
        sender.send(next(stream))
        wait_until(lambda: arrived(jaeger_on_disk) >= len(sender.acknowledged), "the arrival of every span", seconds=60)

    sent = resource_spans(sender.acknowledged)
    assert len(sent) > DOWN_SECONDS
    assert differences(sent, jaeger_on_disk.spans_of(SERVICE)) == []


def arrived(jaeger: Jaeger) -> int:
    return len(spans_in(jaeger.spans_of(SERVICE)))
