"""The demo's results as a person reads them: a table, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from spanwarden_processor.demo.processor import LOG_FILE
from spanwarden_processor.demo.results import Result
from spanwarden_processor.demo.run import SPANS_FILE, Options
from spanwarden_processor.terminal import VERDICT_STYLES, cut, neutral

MAX_QUOTE_CHARACTERS = 120
MAX_QUOTES = 2


def print_report(console: Console, results: Sequence[Result], options: Options) -> None:
    """Print the table and the next steps."""
    console.print(_table(results))
    for result in results:
        if not result.as_expected:
            console.print(Text(_surprise(result), style="bold"))
    console.print(_next_steps(results, options), soft_wrap=True)


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
    text = Text(label, style=VERDICT_STYLES.get(label, "magenta"))
    if result.findings:
        text.append(f" · {result.worst['severity']}\n{result.worst['category']}")
    return text


def _evidence(result: Result) -> Group:
    quotes = [neutral(item["quote"]) for item in result.worst.get("evidence", ()) if item.get("quote")]
    lines = [Text(f"“{cut(quote, MAX_QUOTE_CHARACTERS)}”", style="italic") for quote in quotes[:MAX_QUOTES]]
    if not quotes and not result.live:
        lines = [Text(result.script.story, style="dim")]
    trace = result.worst.get("trace_id") or result.session.get("trace_id", "")
    return Group(*lines, Text(str(trace), style="dim"))


def _surprise(result: Result) -> str:
    if not result.session:
        return f"{result.script.name}: no verdict: none of its spans was scored; see {LOG_FILE} in the data directory"
    expected = result.script.expected or "clear"
    return f"{result.script.name}: not as expected ({expected}); status {result.session['status']}"


def _next_steps(results: Sequence[Result], options: Options) -> Text:
    trace = next((result.worst["trace_id"] for result in results if result.findings), "")
    if options.forward:
        first = [
            f"In your tracing backend ({options.forward}): search service “spanwarden” for every finding, or",
            f"misalignment.verdict=misaligned for the spans themselves{f'; open trace {trace}' if trace else ''}.",
        ]
    else:
        first = [
            f"Findings, transcripts and all spans ({SPANS_FILE}) are kept in {_short(options.data_dir)}.",
            f"List them again: spanwarden verdicts --data-dir {_short(options.data_dir)}",
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
