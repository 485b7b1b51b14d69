"""A wheel, installed where there is no source, runs the demo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this repository."""
    directory = tmp_path_factory.mktemp("wheel")
    pip(Path(sys.executable), "wheel", str(REPOSITORY), "--no-deps", "--wheel-dir", str(directory))
    return next(directory.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment with nothing in it but the wheel and what it asks for."""
    directory = tmp_path_factory.mktemp("environment")
    venv.create(directory, with_pip=True)
    pip(directory / "bin" / "python", "install", f"{wheel}[processor]")
    return directory / "bin"


def pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode and "Could not find a version" in done.stderr and os.environ.get("CI") != "true":
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr


def test_an_installed_wheel_runs_the_demo(installed: Path, tmp_path: Path) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "SPANWARDEN_", "OTEL_"))}
    done = subprocess.run(
        [str(installed / "spanwarden"), "demo", "--json", "--data-dir", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env=kept,
    )

    assert done.returncode == 0, done.stderr
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 8
