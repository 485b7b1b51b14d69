"""What is measured: processes between senders and a backend that only counts, each started and stopped here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import psutil
from tests.processor_process import free_port

COLLECTOR = "collector, pass-through"
TRANSFORM = "collector, 20 patterns"
PROXY = "raw-bytes proxy"
FULL = "spanwarden, full pipeline"


class Candidate(NamedTuple):
    """Something that stands between senders and a backend: its name, its address, its backend, its processes."""

    name: str
    address: str
    backend: str
    process: subprocess.Popen[bytes]


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """CPU of processes, exact to the nanosecond: the kernel's clock of each (see clock_getcpuclockid)."""
    return sum(time.clock_gettime((~process.pid << 3) | 2) for process in processes)


@contextmanager
def _running(command: list[str], ready_address: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPANWARDEN_")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with grpc.insecure_channel(ready_address) as channel:
            grpc.channel_ready_future(channel).result(timeout=60)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def _backend() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.null_backend", str(port)]
    with _running(command, f"127.0.0.1:{port}"):
        yield f"127.0.0.1:{port}"


@contextmanager
def proxy() -> Iterator[Candidate]:
    port = free_port()
    with _backend() as backend:
        command = [sys.executable, "-m", "tests.bench.raw_proxy", str(port), backend]
        with _running(command, f"127.0.0.1:{port}") as process:
            yield Candidate(PROXY, f"127.0.0.1:{port}", backend, process)


@contextmanager
def spanwarden(admin: str = "none") -> Iterator[Candidate]:
    port = free_port()
    with _backend() as backend, tempfile.TemporaryDirectory(dir=os.environ.get("SPANWARDEN_BENCH_DIR")) as data:
        command = [
            *(sys.executable, "-m", "spanwarden_processor", "serve", "--forward", f"http://{backend}"),
            *("--listen", f"127.0.0.1:{port}", "--admin", admin, "--data-dir", data),
        ]
        with _running(command, f"127.0.0.1:{port}") as process:
            yield Candidate(FULL, f"127.0.0.1:{port}", backend, process)


@contextmanager
def collector(name: str, binary: Path, processors: str) -> Iterator[Candidate]:
    port = free_port()
    with _backend() as backend, tempfile.TemporaryDirectory() as directory:
        config = Path(directory, "pass-through.yaml")
        names = "[transform]" if processors else "[]"
        config.write_text(CONFIG.format(port=port, backend=backend, processors=processors or "{}", names=names))
        with _running([str(binary), "--config", str(config)], f"127.0.0.1:{port}") as process:
            yield Candidate(name, f"127.0.0.1:{port}", backend, process)


CONFIG = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{port}", max_recv_msg_size_mib: 64}}}}}}}}
processors: {processors}
exporters:
  otlp_grpc:
    endpoint: {backend}
    compression: none
    tls: {{insecure: true}}
    sending_queue: {{enabled: false}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], processors: {names}, exporters: [otlp_grpc]}}}}
"""
PATTERNS = (
    *(r"rm\s+-rf\s+/", r"git\s+push\s+.*--force", r"--no-verify", r"curl\s.*\|\s*(ba)?sh", r"chmod\s+777"),
    *(
        r"AKIA[0-9A-Z]{16}",
        r"ghp_[A-Za-z0-9]{36}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY",
        r"xox[bp]-[0-9]+",
        r"eyJ[\w-]+\.eyJ",
    ),
    *(
        r"base64\s+-d",
        r"/etc/shadow",
        r"\.ssh/id_",
        r"nc\s+-e",
        r"mkfs\.",
        r"dd\s+if=",
        r"pytest\.skip",
        r"sys\.exit\(0\)",
    ),
    *(r"ignore (all )?previous instructions", r"DROP\s+TABLE"),
)
ATTRIBUTES = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
)


def transform_processor() -> str:
    """The Collector's own way to flag spans: 20 patterns, each over five attributes, without regard to case as here."""
    statements = [
        f'set(span.attributes["flag.{number}"], true) where '
        + " or ".join(f'IsMatch(span.attributes["{name}"], {json.dumps("(?i)" + pattern)})' for name in ATTRIBUTES)
        for number, pattern in enumerate(PATTERNS)
    ]
    return json.dumps({"transform": {"error_mode": "ignore", "trace_statements": statements}})


def collector_binary() -> Path | None:
    """The Collector that `make backends` built, None where there is none."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(os.environ.get("SPANWARDEN_BACKENDS") or Path(cache, "spanwarden", "backends"))
    return next(iter(sorted(directory.glob("otelcol-*"))), None)
