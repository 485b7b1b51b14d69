"""`spanwarden doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from spanwarden_processor import doctor as examination
from spanwarden_processor.errors import ConfigurationError

_MARKS = {"ok": ("ok     ", "green"), "note": ("note   ", "yellow"), "problem": ("problem", "bold red")}


def doctor(  # noqa: PLR0913 - one parameter a flag
    area: Annotated[str | None, typer.Argument(help="versions, processor or agent; all without it.")] = None,
    forward: Annotated[str | None, typer.Option(help="As given to serve.")] = None,
    listen: Annotated[str | None, typer.Option(help="As given to serve.")] = None,
    admin: Annotated[str | None, typer.Option(help="As given to serve.")] = None,
    data_dir: Annotated[str | None, typer.Option(help="As given to serve.")] = None,
    settings_file: Annotated[Path | None, typer.Option("--config", help="As given to serve.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a check.")] = False,
) -> None:
    """Look for what is wrong with a processor's or an agent's set-up.

    It looks at versions, at the settings of a processor (flags and variables as for serve), and at the variables of an
    agent, those of this shell. Spans are sent nowhere, only an empty request.
    Exit code 1 when there is a problem.
    """
    if area is not None and area not in examination.AREAS:
        raise ConfigurationError(f"doctor: expected {', '.join(examination.AREAS)} (was {area!r})")
    flags = {"forward": forward, "listen": listen, "admin": admin, "data_dir": data_dir}
    problems = 0
    for name, checks in examination.AREAS.items():
        if area in (None, name):
            found = list(checks(flags, settings_file))
            problems += sum(check.state == "problem" for check in found)
            _print(name, found, as_json)
    if problems:
        raise typer.Exit(1)


def _print(area: str, checks: list[examination.Check], as_json: bool) -> None:
    if as_json:
        for check in checks:
            typer.echo(json.dumps({"area": area, **check._asdict()}))
        return
    console = Console(soft_wrap=True)
    console.print(Text(area, style="bold"))
    for check in checks:
        mark, style = _MARKS[check.state]
        line = Text("  ").append(mark, style=style).append(f"  {check.subject}: {check.found}")
        if check.remedy:
            line.append(f"\n           → {check.remedy}", style="dim")
        console.print(line)
