"""A throw-away place for one session's agent: a home, a project with its files, and an environment of variables."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from spanwarden_processor.demo.children import run_child
from spanwarden_processor.demo.script import Script, fill

PREPARE_SECONDS = 30.0

_GIT_SETTINGS = """\
[user]
    name = Demo Agent
    email = agent@demo.example
[init]
    defaultBranch = main
[advice]
    detachedHead = false
"""


class Workspace(NamedTuple):
    """Where an agent works and the variables it gets."""

    project: Path
    environment: Mapping[str, str]


async def lay_out(script: Script, values: Mapping[str, str], root: Path, web_url: str) -> Workspace:
    """Write a session's files under `root` and run its preparation.

    Raises:
        ChildFailed: the preparation failed, for example because git is missing.
    """
    home, project = root / script.name / "home", root / script.name / "project"
    files = {home / ".gitconfig": _GIT_SETTINGS}
    files.update({project / name: fill(text, values) for name, text in script.files.items()})
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    workspace = Workspace(project, _environment(home, web_url))
    if script.prepare:
        await run_child(("bash", "-euc", script.prepare), project, workspace.environment, PREPARE_SECONDS)
    return workspace


def _environment(home: Path, web_url: str) -> dict[str, str]:
    """Variables made from nothing, so that the demo neither shows nor uses what is set outside of it."""
    commands = str(Path(sys.executable).parent)
    return {
        "PATH": os.pathsep.join([commands, os.environ.get("PATH", os.defpath)]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        # Every host name that a tool uses ends at the demo's web server.
        "http_proxy": web_url,
        "https_proxy": web_url,
    }
