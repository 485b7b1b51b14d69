"""A patch text in, the changes of each file out: unified diffs and the `*** Begin Patch` form."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_FILE: Final = re.compile(r"\*\*\* (Add|Update|Delete) File: (.{1,1024})")
_MAX_FILES: Final = 200


class Change(NamedTuple):
    """What a patch does to one file. `quote` is its first changed line, verbatim."""

    path: str
    new: str
    old: str
    created: bool
    deleted: bool
    quote: str


def changes_of_patch(patch: str, path: str = "") -> list[Change]:
    """The changes in `patch`, file by file. `path` names the file where the patch itself does not."""
    found: list[Change] = []
    old_path, lines = "", list[str]()
    created = deleted = False
    for line in [*patch.splitlines(), "*** End Patch"]:
        header = _FILE.match(line)
        starts = header is not None or line.startswith(("+++ ", "*** End Patch"))
        if starts and (path and (lines or deleted)) and len(found) < _MAX_FILES:
            found.append(_change(path, lines, created, deleted))
        if header:
            path, lines, created, deleted = header[2].strip(), [], header[1] == "Add", header[1] == "Delete"
        elif line.startswith("--- "):
            old_path = _bare(line[4:])
        elif line.startswith("+++ "):
            new_path = _bare(line[4:])
            created, deleted = old_path == "/dev/null", new_path == "/dev/null"
            path, lines = (old_path if deleted else new_path), []
        elif line[:1] in {"+", "-"} and path:
            lines.append(line)
    return found


def _change(path: str, lines: list[str], created: bool, deleted: bool) -> Change:
    new = "\n".join(line[1:] for line in lines if line.startswith("+"))
    old = "\n".join(line[1:] for line in lines if line.startswith("-"))
    quote = next((line[1:] for line in lines if line.startswith("+") and line[1:].strip()), lines[0] if lines else path)
    return Change(path, new, old, created, deleted, quote)


def _bare(name: str) -> str:
    name = name.split("\t")[0].strip()
    return name[2:] if name.startswith(("a/", "b/")) else name
