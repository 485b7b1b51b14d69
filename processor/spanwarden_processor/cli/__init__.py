"""The command line: `spanwarden COMMAND`. Wrong use is one line on stderr and exit code 2."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from spanwarden_processor.cli.demo import demo
from spanwarden_processor.cli.doctor import doctor
from spanwarden_processor.cli.eval import evaluate
from spanwarden_processor.cli.scan import scan_files
from spanwarden_processor.cli.serve import serve
from spanwarden_processor.cli.verdicts import verdicts
from spanwarden_processor.errors import SpanwardenError

app = typer.Typer(
    name="spanwarden",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # it takes a default in brackets for a style, and swallows it
)
app.command()(serve)
app.command()(demo)
app.command("scan")(scan_files)
app.command()(verdicts)
app.command("eval")(evaluate)
app.command()(doctor)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Watch AI agents through OpenTelemetry: score their spans for misalignment and pass them on."""
    if show_version:
        typer.echo(f"spanwarden {version('spanwarden')}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run() -> int:
    """Run the command that the arguments name. Returns the exit code: 0 fine, 1 findings or failure, 2 wrong use."""
    try:
        code = app(standalone_mode=False)
    except (SpanwardenError, typer.TyperException) as error:
        message = error.format_message() if isinstance(error, typer.TyperException) else str(error)
        typer.echo(f"spanwarden: {' '.join(message.split())}", err=True)
        return 2
    except (typer.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0
