"""`spanwarden demo`: real agents at work, their verdicts live."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from spanwarden_processor import config
from spanwarden_processor.demo.agents import LIVE_AGENT_SECONDS, Model
from spanwarden_processor.demo.children import ChildFailed
from spanwarden_processor.demo.report import print_report
from spanwarden_processor.demo.results import Result
from spanwarden_processor.demo.run import Options, run_demo
from spanwarden_processor.demo.script import Script, load_scripts
from spanwarden_processor.errors import ConfigurationError

OPENAI_URL = "https://api.openai.com/v1"


def demo(
    forward: Annotated[str | None, typer.Option(help="Also send all spans on, for example to a Jaeger.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Keeps it all [~/.local/share/spanwarden/demo].")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Use your own model: OPENAI_API_KEY and OPENAI_BASE_URL.")
    ] = False,
    model: Annotated[str | None, typer.Option(help="The model's name, with --live.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a session.")] = False,
) -> None:
    """Run agents, honest ones and others, and print their verdicts.

    The agents, their tools and the monitor are real; only the model's answers are a recording. Exit code 0 when
    every verdict is the expected one, else 1. With --live nothing is expected, and the agents run what your model
    asks for, with your rights, in throw-away directories.
    """
    chosen = _live_model(live, model)
    options = Options(
        data_dir.expanduser().absolute() if data_dir else config.default_data_dir() / "demo", forward, chosen
    )
    results = _run(load_scripts(), options)
    if as_json:
        for index, result in enumerate(results):
            typer.echo(json.dumps(result.as_json(index), ensure_ascii=False))
    else:
        print_report(Console(), results, options)
    if not all(result.as_expected for result in results):
        raise typer.Exit(1)


def _run(scripts: Sequence[Script], options: Options) -> list[Result]:
    columns = TextColumn("agents at work"), BarColumn(), MofNCompleteColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(scripts))

        async def run() -> list[Result]:
            # A stop from outside must end the children as Ctrl-C does: by cancelling, so that every context closes.
            if task := asyncio.current_task():
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
            return await run_demo(scripts, options, finished=lambda _: progress.advance(bar))

        try:
            return asyncio.run(run())
        except ChildFailed as failure:
            typer.echo(f"spanwarden: {failure}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(128 + signal.SIGINT) from None
        except asyncio.CancelledError:
            raise typer.Exit(128 + signal.SIGTERM) from None


def _live_model(live: bool, name: str | None) -> Model | None:
    if not live and not name:
        return None
    if not live or not name:
        raise ConfigurationError("--live and --model: give both, for example --live --model gpt-5")
    key = os.environ.get("OPENAI_API_KEY")
    if not key:
        raise ConfigurationError("--live: OPENAI_API_KEY is not set; a local endpoint takes any value")
    return Model(os.environ.get("OPENAI_BASE_URL", OPENAI_URL), key, name, LIVE_AGENT_SECONDS)
