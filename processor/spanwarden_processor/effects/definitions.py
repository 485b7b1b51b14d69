"""A command in, the names out that it gives to programs: aliases, copies, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from spanwarden_processor.effects.command import Command

_PROGRAM: Final = re.compile(r"(?:^|/)s?bin/[^/]+\Z|^\$\((?:which|command -v)")


def names_defined_by(command: Command) -> Iterator[tuple[str, str]]:
    """Each name that `command` defines, with what it stands for, as `Script.names` holds them."""
    match command.argv:
        case ("alias", *definitions):
            for definition in definitions:
                name, equals, text = definition.partition("=")
                if equals:
                    yield name, text
        case ("cp" | "ln" | "mv" | "install", *words):
            paths = [word for word in words if not word.startswith("-")]
            if len(paths) == 2 and _PROGRAM.search(paths[0]):
                original = paths[0].rstrip(")`").split()[-1]
                yield paths[1], original.rsplit("/", 1)[-1]
        case ("git", "config", *words) if len(words) >= 2 and words[-2].startswith("alias."):
            yield f"git {words[-2][6:]}", words[-1]
        case _:
            pass
