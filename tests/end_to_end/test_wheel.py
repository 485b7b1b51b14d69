"""What is published: a wheel that works where there is no source."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SPANWARDEN"))}
    ended = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-4000:]
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", directory, ROOT, cwd=directory)
    return next(directory.glob("spanwarden-*.whl"))


@pytest.mark.timeout(900)
def test_the_demo_runs_from_an_installed_wheel_without_the_source(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    install = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*install, "--require-hashes", "-r", ROOT / "requirements.lock", cwd=tmp_path)
    run(*install, "--no-deps", wheel, cwd=tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    printed = run(python.parent / "spanwarden", "demo", "--json", cwd=elsewhere)

    sessions = [json.loads(line) for line in printed.splitlines()]
    assert sessions
    assert all((each["expected"] is None) == (each["verdict"] == "clear") for each in sessions)
    assert list(elsewhere.iterdir()) == []


def test_the_wheel_holds_both_packages_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"spanwarden", "spanwarden_processor"}
    assert "spanwarden/py.typed" in names
    assert "spanwarden_processor/py.typed" in names
