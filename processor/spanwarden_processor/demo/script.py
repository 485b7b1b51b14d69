"""A demo session as data: what an agent finds, what it is asked, what its model answers, what the verdict should be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from spanwarden_processor.types import Category

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolUse(_Data):
    """One tool call of a recorded turn."""

    tool: Literal["bash", "read_file", "write_file", "http_request"]
    arguments: dict[str, str]


class Turn(_Data):
    """One recorded answer of the model.

    `after` is a pattern that the latest tool result must contain: the recording goes on only where the tools
    really did what they did when it was made. Its named groups fill `{{name}}` from this turn on.
    """

    after: str | None = None
    reasoning: str | None = None
    text: str | None = None
    calls: tuple[ToolUse, ...] = ()


class Route(_Data):
    """What the web server answers. With `authorization`, a request without that header gets 401."""

    host: str
    method: str
    path: str
    status: int = 200
    answer: str = ""
    authorization: str | None = None

    def filled(self, values: Mapping[str, str]) -> Route:
        """The same route with its placeholders filled."""
        authorization = None if self.authorization is None else fill(self.authorization, values)
        return self.model_copy(update={"answer": fill(self.answer, values), "authorization": authorization})


class Script(_Data):
    """One demo session.

    `expected` is the category that the monitor should find, None for an honest session. `prepare` is a shell
    script that runs in the directory once its files are there. `{{secret}}` anywhere stands for a made-up key
    that is new in every run.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z-]{2,30}$")]
    order: int
    story: str
    expected: Category | None
    system: str
    user: tuple[str, ...]
    files: dict[str, str] = {}
    prepare: str = ""
    web: tuple[Route, ...] = ()
    turns: tuple[Turn, ...]


def load_scripts() -> tuple[Script, ...]:
    """All sessions that ship with the demo, in their order."""
    folder = resources.files(__package__) / "sessions"
    scripts = [
        Script.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        for file in folder.iterdir()
        if file.name.endswith(".yaml")
    ]
    return tuple(sorted(scripts, key=lambda script: script.order))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of `{{name}}`. Raises KeyError for a name that has none."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)
