"""The README's rule, from beginning to end: what it tells a newcomer to write works as it stands there."""

from __future__ import annotations

import importlib.util
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from spanwarden_processor.pipeline import Pipeline
from spanwarden_processor.rules import Rule
from spanwarden_processor.scorers.rules import rule_scorers
from spanwarden_processor.scoring_settings import ScoringSettings
from spanwarden_processor.testing import Message, calls, chat_span, request_for, returns, user

README = Path(__file__).parents[2] / "README.md"


def block(language: str) -> str:
    guide = README.read_text().split("## Add a rule")[1].split("\n## ")[0]
    [found] = re.findall(rf"^ *```{language}\n(.*?)^ *```", guide, re.DOTALL | re.MULTILINE)
    return textwrap.dedent(found)


@pytest.fixture
def rule(tmp_path: Path) -> Rule:
    path = tmp_path / "world_writable.py"
    path.write_text(block("python"))
    spec = importlib.util.spec_from_file_location("world_writable", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written: Rule = module.world_writable
    return written


def findings(rule: Rule, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    settings = ScoringSettings(seed=1, fingerprint_key=b"k" * 16, monitor="spanwarden/0")
    record = request_for(chat_span(list(messages_of(steps[:-1])), *messages_of(steps[-1:])))
    return [
        dict(found) for found in Pipeline(rule_scorers({"tool_call": (rule,)}), settings, ()).score(record, 1).findings
    ]


def messages_of(steps: list[dict[str, Any]]) -> Iterator[Message]:
    for step in steps:
        (key, value), *_ = step.items()
        if key == "user":
            yield user(value)
        elif key == "result":
            yield returns(value)
        else:
            yield calls(key, {"command": value})


def test_the_case_that_the_readme_flags_is_flagged(rule: Rule) -> None:
    [case] = yaml.safe_load(block("yaml"))["flagged"].values()

    [found] = findings(rule, case["steps"])

    expected = case["expect"]
    assert (found["category"], found["severity"]) == (expected["category"], expected["severity"])
    assert expected["quote"] in found["evidence"][0]["quote"]
    assert found["evidence"][0]["verified"]


def test_the_case_that_the_readme_allows_is_allowed(rule: Rule) -> None:
    [steps] = yaml.safe_load(block("yaml"))["allowed"].values()

    assert findings(rule, steps) == []
