"""The oldest client that is supported, on the older HTTP package: the tests of the client, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

OLDEST = "1.66"
HERE = Path(__file__).parent
TESTS = (
    "test_assistants.py",
    "test_client_behaviour.py",
    "test_hard_input.py",
    "test_live.py",
    "test_reasoning.py",
    "test_responses.py",
    "test_rest_of_the_client.py",
    "test_sessions.py",
    "test_streams.py",
)


def _installed(directory: Path) -> Path:
    """A directory with the oldest client and what it needs, to be found before everything else."""
    if not any(directory.glob(f"openai-{OLDEST}.*.dist-info")):
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "--target", str(directory), f"openai=={OLDEST}.*"], check=True, timeout=300)
    return directory


@pytest.mark.oldest
@pytest.mark.timeout(900)
def test_the_oldest_client_passes_the_tests_of_the_client(request: pytest.FixtureRequest) -> None:
    path = _installed(request.config.cache.mkdir(f"openai-{OLDEST}"))
    environment = {**os.environ, "PYTHONPATH": str(path)}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(HERE / name) for name in TESTS)],
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
def test_the_oldest_client_is_the_one_that_is_tested(request: pytest.FixtureRequest) -> None:
    path = _installed(request.config.cache.mkdir(f"openai-{OLDEST}"))
    program = "import openai, httpx; print(openai.__version__)"

    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(path)}, capture_output=True, check=True
    )

    assert done.stdout.decode().startswith(f"{OLDEST}.")
