"""`spanwarden scan`: verdicts on recorded conversations."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final, get_args

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from spanwarden_processor.cli.flags import severity_number
from spanwarden_processor.cli.scan_table import Tally
from spanwarden_processor.errors import ConfigurationError
from spanwarden_processor.scan import Scanned, scan
from spanwarden_processor.scoring_settings import EvidenceMode, ScoringSettings
from spanwarden_processor.terminal import neutral
from spanwarden_processor.transcripts import STANDARD_INPUT, Conversation, Unreadable, read_transcripts

_MODES: Final[tuple[EvidenceMode, ...]] = get_args(EvidenceMode)


def scan_files(
    files: Annotated[list[str], typer.Argument(help="JSON or JSON Lines; - is standard input.", show_default=False)],
    fail_on: Annotated[str | None, typer.Option(help="Exit with 1 if a finding is at least this severe.")] = None,
    evidence: Annotated[str, typer.Option(help="What is printed of evidence: quote, offsets or none.")] = "quote",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a conversation.")] = False,
) -> None:
    """Judge recorded conversations with the detectors of live spans.

    A JSON file is one conversation: a list of OpenAI chat messages, or an object with "messages". Of JSON Lines each
    line is one.
    What cannot be read is named on stderr; exit code 2 when nothing could be read.
    """
    limit = severity_number("fail-on", fail_on) if fail_on else None
    settings = _settings(evidence)
    tally = Tally()
    for scanned in _scanned(files, settings, tally, bar=not (as_json and sys.stdout.isatty())):
        tally.add(scanned)
        if as_json:
            typer.echo(json.dumps(scanned.as_json(), ensure_ascii=False))
    if not as_json and tally.read:
        tally.print(Console())
    if tally.unreadable:
        typer.echo(f"spanwarden: {tally.unreadable} of {tally.unreadable + tally.read} could not be read", err=True)
    if not tally.read:
        raise typer.Exit(2)
    if limit and tally.severest >= limit:
        raise typer.Exit(1)


def _scanned(files: Sequence[str], settings: ScoringSettings, tally: Tally, *, bar: bool) -> Iterator[Scanned]:
    """The verdicts, one after another. What cannot be read is named on stderr and counted."""
    for each in _read(files, bar=bar):
        if isinstance(each, Unreadable):
            tally.unreadable += 1
            typer.echo(f"spanwarden: {neutral(str(each))}", err=True)
        else:
            yield scan(each, settings)


def _read(files: Sequence[str], *, bar: bool) -> Iterator[Conversation | Unreadable]:
    """What the files hold, with a progress bar of their bytes on a terminal."""
    console = Console(stderr=True)
    columns = TextColumn("scanning"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    hidden = not (bar and console.is_terminal)
    # What is printed while the bar moves must stay on its own stream.
    with Progress(*columns, console=console, transient=True, disable=hidden, redirect_stdout=False) as progress:
        task = progress.add_task("", total=_total_bytes(files))
        for path in files:
            yield from read_transcripts(path, lambda size: progress.advance(task, size))


def _total_bytes(files: Sequence[str]) -> int | None:
    """The size of all files; None where it is not known, that of standard input say."""
    if STANDARD_INPUT in files:
        return None
    return sum(path.stat().st_size for path in map(Path, files) if path.is_file())


def _settings(evidence: str) -> ScoringSettings:
    mode = next((each for each in _MODES if each == evidence), None)
    if mode is None:
        raise ConfigurationError(f"--evidence: expected {', '.join(_MODES)} (was {evidence!r})")
    # The keys are each conversation's own: see `scan`.
    monitor = f"spanwarden/{version('spanwarden')}"
    return ScoringSettings(seed=0, fingerprint_key=b"", monitor=monitor, evidence=mode)
