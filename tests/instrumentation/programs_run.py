"""Start a program the way a user does: `opentelemetry-instrument`, environment variables, nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
_COMMAND = Path(sys.executable).parent / "opentelemetry-instrument"


def run_program(
    name: str, *arguments: str, directory: Path, environment: Mapping[str, str], expected_status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run one of the programs beside this file to its end."""
    own = ("OTEL_", "OPENAI_", "SPANWARDEN_")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(own)}
    done = subprocess.run(
        [str(_COMMAND), sys.executable, str(PROGRAMS / name), *arguments],
        cwd=directory,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == expected_status, done.stderr
    return done


def exporting_to(url: str, model_url: str, **more: str) -> dict[str, str]:
    """The lines of the README, and where the model is."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_SERVICE_NAME": "hand-written-loop",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
        "OPENAI_BASE_URL": model_url,
        **more,
    }
