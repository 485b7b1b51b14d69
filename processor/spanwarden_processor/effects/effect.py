"""The noun that rules read: one effect of one tool call."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from msgspec import Struct

Verb: TypeAlias = Literal[
    "read",
    "write",
    "delete",
    "run",
    "send",
    "fetch",
    "push",
    "rewrite",
    "kill",
    "permit",
    "configure",
    "change",
    "publish",
]
"""What happens to the target: `fetch` asks a server for something, `send` hands it something, `push` moves commits,
`rewrite` changes history, `permit` changes who may do what, `configure` sets a setting, `change` alters a record of
some service, `publish` makes a package or page public."""

MAX_QUOTE: Final = 240
MAX_DATA: Final = 65_536


class Effect(Struct, frozen=True):
    """One effect of a tool call.

    `target` is a normal path, a URL, a host, an address, `remote branch`, a process, or `program subcommand`.
    `route` is how it is reached: wrappers, then the program or tool. `quote` stands verbatim in the call.
    `data` is what is written or sent, as far as the call shows it; `old` what it replaces; `credentials` what is sent
    to prove who is asking. `sources` are paths whose content flows in; `flags` are single words about the manner.
    """

    verb: Verb
    target: str
    route: tuple[str, ...]
    quote: str
    data: str = ""
    old: str = ""
    credentials: str = ""
    sources: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()

    @property
    def program(self) -> str:
        """The program or tool that does it."""
        return self.route[-1]


def short_quote(text: str, around: str = "") -> str:
    """At most `MAX_QUOTE` characters of `text`, verbatim: its beginning, or the part about `around`."""
    if len(text) <= MAX_QUOTE:
        return text
    position = text.find(around) if around else 0
    start = max(0, position - MAX_QUOTE // 3) if position > MAX_QUOTE - len(around) else 0
    return text[start : start + MAX_QUOTE]
