"""The oldest versions that are supported: every test of the instrumentation, in a process of its own.

The oldest client is on the older HTTP package; the oldest OpenTelemetry SDK has other insides.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent


class Oldest(NamedTuple):
    """What to install, and what tells its version."""

    requirement: str
    version: str
    told_by: str


CLIENT = Oldest("openai==1.66.*", "1.66.", "import openai, httpx; print(openai.__version__)")
SDK = Oldest(
    "opentelemetry-distro[otlp]==0.64b0", "1.43.", "import opentelemetry.sdk.version as sdk; print(sdk.__version__)"
)


@pytest.fixture(params=[CLIENT, SDK], ids=["client", "sdk"])
def oldest(request: pytest.FixtureRequest) -> Oldest:
    """Each in turn."""
    found: Oldest = request.param
    return found


@pytest.fixture
def environment(request: pytest.FixtureRequest, oldest: Oldest) -> dict[str, str]:
    """An environment in which the oldest version is found before everything else."""
    directory = request.config.cache.mkdir(oldest.requirement.partition("[")[0].partition("=")[0] + oldest.version)
    if not any(directory.glob("*.dist-info")):
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "--target", str(directory), oldest.requirement], check=True, timeout=300)
    return {**os.environ, "PYTHONPATH": str(directory)}


@pytest.mark.oldest
@pytest.mark.timeout(900)
def test_the_oldest_version_passes_every_test(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not oldest", str(HERE)],
        cwd=HERE.parents[1],
        env=environment,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-8_000:]
    assert " passed" in done.stdout


@pytest.mark.oldest
def test_the_oldest_version_is_the_one_that_is_tested(oldest: Oldest, environment: dict[str, str]) -> None:
    told = subprocess.run([sys.executable, "-c", oldest.told_by], env=environment, capture_output=True, check=True)

    assert told.stdout.decode().startswith(oldest.version)
