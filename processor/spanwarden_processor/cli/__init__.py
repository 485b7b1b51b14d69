"""The command line: `spanwarden COMMAND`."""

from __future__ import annotations

import typer

from spanwarden_processor.cli.serve import serve

app = typer.Typer(
    name="spanwarden",
    help="Watch AI agents through OpenTelemetry: score their spans for misalignment and pass them on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve)
