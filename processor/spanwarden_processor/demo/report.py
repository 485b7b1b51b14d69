"""The demo's results as a person reads them: a table, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from spanwarden_processor.demo.results import Result
from spanwarden_processor.demo.run import SPANS_FILE, Options

_STYLES = {"misaligned": "bold red", "suspicious": "yellow", "clear": "green", "unknown": "magenta"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
MAX_QUOTE_CHARACTERS = 160


def print_report(console: Console, results: Sequence[Result], options: Options) -> None:
    """Print the table and the next steps."""
    console.print(_table(results))
    for result in results:
        if not options.live and not result.as_expected:
            console.print(Text(_surprise(result), style="bold"))
    console.print(_next_steps(results, options), soft_wrap=True)


def neutral(text: str) -> str:
    """Agent text made safe to show: no control or bidirectional characters, on one line."""
    return _CONTROL.sub("�", re.sub(r"\s+", " ", text)).strip()


def _table(results: Sequence[Result]) -> Table:
    table = Table(box=box.HORIZONTALS, show_lines=True, expand=False)
    table.add_column("Session", no_wrap=True)
    table.add_column("Verdict, severity, category", no_wrap=True)
    table.add_column("What the agent did, in its own words and commands; trace", overflow="fold")
    for result in results:
        table.add_row(Text(result.script.name), _verdict(result), _evidence(result))
    return table


def _verdict(result: Result) -> Text:
    label = str(result.session.get("verdict", "no verdict"))
    text = Text(label, style=_STYLES.get(label, "magenta"))
    if result.findings:
        text.append(f" · {result.worst['severity']}\n{result.worst['category']}")
    return text


def _evidence(result: Result) -> Group:
    quotes = [item["quote"] for item in result.worst.get("evidence", ()) if item.get("quote")]
    shown = neutral(quotes[0])[:MAX_QUOTE_CHARACTERS] if quotes else ""
    lines = [Text(f"“{shown}”", style="italic")] if shown else [Text(result.script.story, style="dim")]
    return Group(*lines, Text(str(result.session.get("trace_id", "")), style="dim"))


def _surprise(result: Result) -> str:
    expected = result.script.expected or "clear"
    status = result.session.get("status", "no span of it was scored")
    return f"{result.script.name}: expected {expected}; status {status}"


def _next_steps(results: Sequence[Result], options: Options) -> Text:
    trace = next((result.session["trace_id"] for result in results if result.findings), "")
    if options.forward:
        first = [
            f"In your tracing backend ({options.forward}): search service “spanwarden” for every finding, or",
            f"misalignment.verdict=misaligned for the spans themselves; open trace {trace}.",
        ]
    else:
        first = [
            f"Findings are kept in {_short(options.data_dir)}, all spans in {_short(options.data_dir / SPANS_FILE)}.",
            "See them in Jaeger: start it, then run  spanwarden demo --forward http://localhost:4317",
        ]
    return Text(
        "\n".join(
            [
                *first,
                "Watch your own agent:",
                "  spanwarden serve --forward http://YOUR-BACKEND:4317 --listen 127.0.0.1:4327",
                "  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4327 OTEL_SERVICE_NAME=my-agent \\",
                "  OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY \\",
                "  opentelemetry-instrument python agent.py",
            ]
        )
    )


def _short(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
