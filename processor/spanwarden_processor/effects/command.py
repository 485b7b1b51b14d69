"""The nouns of shell text: a command with its quotes resolved, and a script of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct


class Command(Struct, frozen=True):
    """One simple command as it would run.

    `argv` has quotes and known variables resolved and wrappers taken off; what cannot be resolved stays readable
    (`~`, `$NAME`). `source` is its text, verbatim from the outermost script. `upstream` are the commands whose
    output flows in by pipe, substitution or variable. `code` is program text given on the command line or on
    standard input of an interpreter. `program` is the name of the program, without its directory.
    """

    argv: tuple[str, ...]
    source: str
    wrappers: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    appends: tuple[str, ...] = ()
    stdin: str = ""
    upstream: tuple[Command, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    directory: str = ""
    code: str = ""
    program: str = ""


class Script(NamedTuple):
    """The commands of a shell text in the order in which they would run, and the names that it defines.

    `names` maps an alias to its text, `git <alias>` to a git alias' text, and the path of a copied or linked program
    to the original. `complete` is False when the text was longer or deeper than what is read.
    """

    commands: tuple[Command, ...]
    names: Mapping[str, str]
    complete: bool = True
