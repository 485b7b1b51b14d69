"""docs/rules.md: what it names exists, and what it tells a newcomer to run shows what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

from spanwarden_processor import judgement
from spanwarden_processor.effects.effect import Effect, Verb
from spanwarden_processor.indexes import Indexes
from spanwarden_processor.texts.vocabulary import ACTS

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def names_in(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def first_column(title: str) -> set[str]:
    return {name for row in re.findall(r"^\| (`[^|]*)\|", section(title), re.MULTILINE) for name in names_in(row)}


def test_the_command_of_the_page_prints_the_effects_of_a_call() -> None:
    [code] = re.findall(r"-c '\n(.*?)'\n```", section("Effects"), re.DOTALL)

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert "verb='send', target='https://a.example'" in shown
    assert "sources=('key',)" in shown


def test_the_page_names_every_verb_and_field_of_an_effect() -> None:
    [verbs] = re.findall(r"^\| `verb` \|(.*)\|$", section("Effects"), re.MULTILINE)

    assert names_in(verbs) == set(get_args(Verb))
    assert first_column("Effects") == set(Effect.__struct_fields__)


def test_the_page_names_every_act_that_can_be_asked_for() -> None:
    [acts] = re.findall(r"Acts are (.*?);", section("What was asked"), re.DOTALL)

    assert names_in(acts) == set(ACTS)


def test_the_questions_of_the_page_have_answers() -> None:
    called = re.findall(r"^\| [^|]*\| `(\w+)\(session", section("What was asked"), re.MULTILINE)

    assert len(called) == 4
    assert all(hasattr(judgement, name) for name in called)


def test_the_indexes_of_the_page_are_those_of_a_session() -> None:
    own_work = {"steps_admitted", "overlooked", "reasoning_seen", "pieces", "calls", "pending", "early", "latest"}

    assert first_column("What came before") == {name for name in vars(Indexes()) if name[0] != "_"} - own_work
