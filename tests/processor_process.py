"""`spanwarden serve` as a process of its own, for tests that stop, kill and restart it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ProcessorProcess:
    """One processor with a data directory and ports that outlive its restarts."""

    def __init__(self, forward: str, data_dir: Path, *flags: str) -> None:
        self.port = free_port()
        self.admin_port = free_port()
        self.data_dir = data_dir
        self._command = [
            *(sys.executable, "-m", "spanwarden_processor", "serve", "--json", "--forward", forward),
            *("--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin_port}"),
            *("--data-dir", str(data_dir), "--spool-bytes", str(256 * 1024 * 1024), *flags),
        ]
        self._process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> dict[str, str]:
        """Start and wait until it takes spans. Returns what it printed."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SPANWARDEN_")}
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"it did not start: exit code {self._process.wait()}"
        announced: dict[str, str] = json.loads(line)
        return announced

    def scorer_pids(self) -> list[int]:
        """The scorer's process, by what it runs: multiprocessing's own tracker is a child too."""
        try:
            children = psutil.Process(self.pid).children()
            return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]
        except psutil.Error:
            return []

    def kill(self) -> None:
        """End it as the kernel would: no chance to tidy up."""
        assert self._process is not None
        self._process.kill()
        self._end()

    def stop(self) -> int:
        """Ask it to stop, as an operator does, and wait. Returns its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._end()

    def _end(self) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        code = self._process.wait(60)
        self._process.stdout.close()
        self._process = None
        return code

    def close(self) -> None:
        if self._process is not None:
            self.kill()

    def metrics(self) -> dict[str, float]:
        """The samples of /metrics by name with labels."""
        text = self.get("/metrics")[1]
        samples = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in samples}

    def get(self, path: str) -> tuple[int, str]:
        """A GET on the admin port: status and body."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@contextmanager
def running_processor(forward: str, data_dir: Path, *flags: str) -> Iterator[ProcessorProcess]:
    processor = ProcessorProcess(forward, data_dir, *flags)
    try:
        processor.start()
        yield processor
    finally:
        processor.close()
