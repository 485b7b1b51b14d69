"""Real backends as processes: found in the cache that `make backends` fills, on free ports, always stopped."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

REPOSITORY = Path(__file__).parents[2]
READY_SECONDS = 30.0
STOP_SECONDS = 15.0


def binary(name: str) -> Path:
    """A built backend (`jaeger` or `otelcol`). Without it the test is skipped, or fails where CI=true."""
    versions = dict(line.split("=", 1) for line in _versions() if "=" in line and not line.startswith("#"))
    version = versions[{"jaeger": "JAEGER_VERSION", "otelcol": "COLLECTOR_VERSION"}[name]]
    path = _cache() / f"{name}-{version}"
    if path.exists():
        return path
    message = f"there is no {path.name} in {path.parent}: run `make backends` (needs Go, takes minutes)"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def _versions() -> Sequence[str]:
    return Path(__file__).with_name("versions.env").read_text().splitlines()


def _cache() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("SPANWARDEN_BACKENDS") or Path(caches) / "spanwarden" / "backends")


def wait_until(condition: Callable[[], object], what: str, seconds: float = READY_SECONDS) -> None:
    """Look at a condition of another process until it holds; fails the test when it does not in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            pytest.fail(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.05)


class BackendProcess:
    """A program with a configuration file and variables. Its output goes to `log`."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str], log: Path) -> None:
        self._command = command
        self._environment = {**os.environ, **variables}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def is_ready(self) -> bool:
        """Whether it answers; what that means is the backend's own."""
        raise NotImplementedError

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, cwd=REPOSITORY, stdout=log, stderr=log
            )
        wait_until(self._is_up, f"the start of {Path(self._command[0]).name}")

    def _is_up(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            pytest.fail(f"{self._command[0]} ended by itself:\n{self._log.read_text()[-3000:]}")
        return self.is_ready()

    def stop(self) -> None:
        """Stop it as an operator does, so that it keeps what it has taken."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
