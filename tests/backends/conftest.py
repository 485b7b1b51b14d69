"""Real backends for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backends.jaeger import Jaeger


@pytest.fixture(scope="module")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    """A Jaeger with the shipped configuration, one for all tests of a file."""
    with Jaeger(tmp_path_factory.mktemp("jaeger")) as running:
        yield running
