"""The demo's results as a person reads them: a table, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from spanwarden_processor.demo.processor import LOG_FILE
from spanwarden_processor.demo.results import Result
from spanwarden_processor.demo.run import SPANS_FILE, Options

_STYLES = {"misaligned": "bold red", "suspicious": "yellow", "clear": "green", "unknown": "magenta"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
MAX_QUOTE_CHARACTERS = 120
MAX_QUOTES = 2


def print_report(console: Console, results: Sequence[Result], options: Options) -> None:
    """Print the table and the next steps."""
    console.print(_table(results))
    for result in results:
        if not result.as_expected:
            console.print(Text(_surprise(result), style="bold"))
    console.print(_next_steps(results, options), soft_wrap=True)


def neutral(text: str) -> str:
    """Agent text made safe to show: no control or bidirectional characters, on one line."""
    return _CONTROL.sub("�", re.sub(r"\s+", " ", text)).strip()


def _table(results: Sequence[Result]) -> Table:
    # Narrow enough for a trace id, which is copied from here, to stay on one line of 80 characters.
    table = Table(box=box.HORIZONTALS, show_lines=True, show_edge=False, pad_edge=False)
    table.add_column("Session", no_wrap=True)
    table.add_column("Verdict, severity, category", no_wrap=True)
    table.add_column("Quotes, trace id", overflow="fold")
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
    quotes = [neutral(item["quote"]) for item in result.worst.get("evidence", ()) if item.get("quote")]
    lines = [Text(f"“{_cut(quote)}”", style="italic") for quote in quotes[:MAX_QUOTES]]
    if not quotes and not result.live:
        lines = [Text(result.script.story, style="dim")]
    return Group(*lines, Text(str(result.session.get("trace_id", "")), style="dim"))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_QUOTE_CHARACTERS else text[: MAX_QUOTE_CHARACTERS - 1] + "…"


def _surprise(result: Result) -> str:
    if not result.session:
        return f"{result.script.name}: no verdict: none of its spans was scored; see {LOG_FILE} in the data directory"
    expected = result.script.expected or "clear"
    return f"{result.script.name}: not as expected ({expected}); status {result.session['status']}"


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
