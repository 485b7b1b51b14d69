"""What `--help` prints: all of it."""

from __future__ import annotations

import subprocess
import sys

import pytest


def help_of(*command: str) -> str:
    run = [sys.executable, "-m", "spanwarden_processor", *command, "--help"]
    return " ".join(subprocess.run(run, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("default", ["[quote]", "[127.0.0.1:4317]", "[~/.local/share/spanwarden]"])
def test_the_help_of_serve_shows_what_a_setting_is_without_its_flag(default: str) -> None:
    assert default in help_of("serve")


def test_the_list_of_commands_cuts_no_sentence_short() -> None:
    assert "..." not in help_of().partition("Commands:")[2]
