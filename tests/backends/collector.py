"""A real OpenTelemetry Collector with one of the repository's configurations."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from backends.backend_process import REPOSITORY, BackendProcess, binary
from processor_process import free_port


class Collector(BackendProcess):
    """A Collector that runs `collector-config/NAME.yaml`, its queues in `directory`; `variables` say who is where."""

    def __init__(self, name: str, directory: Path, variables: Mapping[str, str]) -> None:
        directory.mkdir(exist_ok=True)
        self._health_port = free_port()
        own = {
            "COLLECTOR_DATA_DIR": str(directory),
            "COLLECTOR_HEALTH_PORT": str(self._health_port),
            "COLLECTOR_METRICS_PORT": str(free_port()),
        }
        config = REPOSITORY / "collector-config" / f"{name}.yaml"
        command = [str(binary("otelcol")), f"--config={config}"]
        super().__init__(command, {**own, **variables}, directory / "otelcol.log")

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._health_port}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False
