"""A page with marked parts to the same page with each part replaced; what stands between the parts is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PART = re.compile(r"(<!-- made: (\S+) -->\n)(.*?)(<!-- end -->\n)", re.DOTALL)


def renewed(page: str, parts: Mapping[str, str]) -> str:
    """The page with its parts replaced.

    Raises:
        ValueError: the page has a part that is not among them, or lacks one of them.
    """
    names = [match[2] for match in _PART.finditer(page)]
    if sorted(names) != sorted(parts):
        raise ValueError(f"the page has the parts {sorted(names)}, and made were {sorted(parts)}")
    return _PART.sub(lambda match: f"{match[1]}\n{parts[match[2]].strip()}\n\n{match[4]}", page)


def table(header: str, lines: list[str]) -> str:
    """A table of Markdown: cells are parted by ` | `."""
    columns = header.count(" | ") + 1
    return "\n".join([f"| {header} |", "|---" * columns + "|", *(f"| {line} |" for line in lines)])
