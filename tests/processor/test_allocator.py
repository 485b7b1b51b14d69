"""How the scorer process treats Python's search for cycles."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from spanwarden_processor import allocator
from spanwarden_processor.allocator import TimedCollection


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def python_as_before() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_what_an_unforeseen_cycle_holds_is_freed_when_the_time_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "COLLECTION_SECONDS", 0.0)
    collection = TimedCollection()
    held = weakref.ref(Cycle())
    before = held()

    del before
    collection.when_due()

    assert held() is None


def test_no_search_is_made_before_its_time() -> None:
    collection = TimedCollection()
    held = weakref.ref(Cycle())

    collection.when_due()

    assert held() is not None
