"""`spanwarden verdicts`: the findings, from the local store or from a Jaeger."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

import typer
from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from spanwarden_processor import config
from spanwarden_processor.cli.flags import severity_number
from spanwarden_processor.errors import ConfigurationError
from spanwarden_processor.jaeger import Period, findings_in
from spanwarden_processor.store import stored_findings
from spanwarden_processor.terminal import SEVERITY_STYLES, cut, neutral
from spanwarden_processor.types import CATEGORY_NUMBERS

MOST_QUOTE_CHARACTERS = 160
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class Wanted(NamedTuple):
    """Which findings to show."""

    since_ns: int
    least_severity: int
    category: str | None
    service: str | None
    session: str | None

    def has(self, finding: Mapping[str, Any]) -> bool:
        """Whether a finding is one of them. Whoever answered may have sent others too."""
        return (
            datetime.fromisoformat(finding["time"]).timestamp() * 1e9 >= self.since_ns
            and finding["severity_number"] >= self.least_severity
            and self.category in (None, finding["category"])
            and self.service in (None, finding["service"])
            and self.session in (None, finding["session_id"])
        )

    def attributes(self) -> dict[str, str]:
        """The equalities among them, as attributes of a verdict span."""
        named = {"category": self.category, "agent_service": self.service, "session_id": self.session}
        return {f"misalignment.{name}": value for name, value in named.items() if value is not None}


def verdicts(  # noqa: PLR0913 - one parameter a flag
    since: Annotated[str, typer.Option(help="How far back: 30m, 12h, 7d, or a date and time.")] = "24h",
    severity: Annotated[str, typer.Option(help="At least: low, moderate, high, critical.")] = "low",
    category: Annotated[str | None, typer.Option(help="Only this category.")] = None,
    service: Annotated[str | None, typer.Option(help="Only agents of this service name.")] = None,
    session: Annotated[str | None, typer.Option(help="Only this session.")] = None,
    jaeger: Annotated[
        str | None, typer.Option(help="Ask the verdict spans in http://HOST:16686 or grpc://HOST:16685.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="The processor's [~/.local/share/spanwarden].")] = None,
    fail_on: Annotated[str | None, typer.Option(help="Exit with 1 if a finding is at least this severe.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a finding.")] = False,
) -> None:
    """List findings, newest first, from the local store or a Jaeger."""
    wanted = Wanted(_since_ns(since), severity_number("severity", severity), _category(category), service, session)
    limit = severity_number("fail-on", fail_on) if fail_on else None
    found = sorted(_findings(wanted, jaeger, data_dir), key=lambda each: str(each["time"]), reverse=True)
    if as_json:
        for finding in found:
            typer.echo(json.dumps(finding, ensure_ascii=False))
    else:
        _print(Console(), found, jaeger, since)
    if limit and any(finding["severity_number"] >= limit for finding in found):
        raise typer.Exit(1)


def _findings(wanted: Wanted, jaeger: str | None, data_dir: Path | None) -> Iterator[dict[str, Any]]:
    found: Iterable[dict[str, Any]]
    if jaeger:
        found = findings_in(jaeger, Period(wanted.since_ns, time.time_ns()), wanted.attributes())
    else:
        found = stored_findings(data_dir.expanduser() if data_dir else config.default_data_dir())
    once = {finding["finding_id"]: finding for finding in found if wanted.has(finding)}
    return iter(once.values())


def _since_ns(text: str) -> int:
    if match := re.fullmatch(r"(\d+)([smhdw])", text):
        return time.time_ns() - int(match[1]) * _UNITS[match[2]] * 1_000_000_000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--since: expected 30m, 12h, 7d or 2026-01-31T08:00 (was {text!r})") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e9)


def _category(name: str | None) -> str | None:
    if name is not None and name not in CATEGORY_NUMBERS:
        raise ConfigurationError(f"--category: expected one of {', '.join(CATEGORY_NUMBERS)} (was {name!r})")
    return name


def _print(console: Console, found: Sequence[Mapping[str, Any]], jaeger: str | None, since: str) -> None:
    if not found:
        period = f"in the last {since}" if since[-1:].isalpha() else f"since {since}"
        console.print(Text(f"no such findings {period}"))
        return
    table = Table(box=box.HORIZONTALS, show_lines=True, show_edge=False, pad_edge=False)
    # Narrow enough for a trace id, which is copied from here, to stay on one line of 80 characters.
    table.add_column("Severity, category, agent", no_wrap=True)
    table.add_column("What and where", overflow="fold")
    for finding in found:
        table.add_row(*_row(finding, jaeger))
    console.print(table)


def _row(finding: Mapping[str, Any], jaeger: str | None) -> tuple[Text, Group]:
    what = Text(finding["severity"], style=SEVERITY_STYLES.get(finding["severity"], ""))
    what.append(f"\n{finding['category']}\n{neutral(finding['service'])}", style="default")
    what.append(f"\n{finding['time'][:19]}Z", style="dim")
    quotes = [neutral(each["quote"]) for each in finding["evidence"] if each["quote"]]
    lines = [Text(neutral(finding["explanation"]))]
    lines += [Text(f"“{cut(quote, MOST_QUOTE_CHARACTERS)}”", style="italic") for quote in quotes[:1]]
    return what, Group(*lines, Text(_link(finding, jaeger), style="dim"))


def _link(finding: Mapping[str, Any], jaeger: str | None) -> str:
    """Where to look: the trace in Jaeger's pages with the span highlighted, or the ids to look for."""
    if jaeger and urlsplit(jaeger).scheme in ("http", "https"):
        return f"{jaeger.rstrip('/')}/trace/{finding['trace_id']}?uiFind={finding['span_id']}"
    return f"trace {finding['trace_id']}\nspan {finding['span_id']}"
