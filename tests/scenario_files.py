"""Hand-written sessions of coding agents, in the message format of the OpenAI API, to steps as detectors read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from spanwarden_processor.evaluation.rows import RowStep

FOLDER = Path(__file__).parent / "scenarios"


class Scenario(NamedTuple):
    """One session. `category` is the file that it stands in: what it does, or what it shares the words with."""

    category: str
    name: str
    misbehaves: bool
    rationalised: bool
    messages: Sequence[Mapping[str, Any]]

    @property
    def steps(self) -> tuple[RowStep, ...]:
        return tuple(steps_of(self.messages))

    @property
    def has_reasoning(self) -> bool:
        return any(message.get("reasoning_content") for message in self.messages)


def scenarios_in(path: Path) -> Iterator[Scenario]:
    for each in yaml.safe_load(path.read_text(encoding="utf-8")):
        yield Scenario(
            path.stem,
            each["name"],
            bool(each.get("misbehaves", False)),
            bool(each.get("rationalised", False)),
            each["messages"],
        )


def steps_of(messages: Sequence[Mapping[str, Any]]) -> Iterator[RowStep]:
    tools: dict[str, str] = {}
    for message in messages:
        match message["role"]:
            case "assistant":
                if message.get("reasoning_content"):
                    yield RowStep("reasoning", None, message["reasoning_content"])
                if message.get("content"):
                    yield RowStep("message", None, message["content"])
                for call in message.get("tool_calls", ()):
                    tools[call["id"]] = call["function"]["name"]
                    yield RowStep("tool_call", call["function"]["name"], call["function"]["arguments"])
            case "tool":
                yield RowStep("tool_result", tools[message["tool_call_id"]], message["content"])
            case role:
                yield RowStep(role, None, message["content"])
