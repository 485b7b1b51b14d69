"""The demo as one straight line: servers, processor, agents, verdicts."""

from __future__ import annotations

import asyncio
import secrets
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from spanwarden_processor.demo.agents import Model, run_agent
from spanwarden_processor.demo.children import ChildFailed
from spanwarden_processor.demo.processor import processor
from spanwarden_processor.demo.recorded_model import MODEL_NAME, Recording, recorded_model
from spanwarden_processor.demo.results import Result, read_results
from spanwarden_processor.demo.script import Route, Script
from spanwarden_processor.demo.web import Received, WebServer
from spanwarden_processor.demo.workspace import lay_out
from spanwarden_processor.errors import ConfigurationError
from spanwarden_processor.store import Store

AGENTS_AT_ONCE = 4
BACKEND_ANSWER_SECONDS = 3.0
SPANS_FILE = "spans.otlp"
TRANSCRIPTS = "transcripts"


class Options(NamedTuple):
    """What a user chooses. Without `forward` spans go to a file in `data_dir`; without `live` turns are recorded."""

    data_dir: Path
    forward: str | None = None
    live: Model | None = None


async def run_demo(scripts: Sequence[Script], options: Options, finished: Callable[[Script], None]) -> list[Result]:
    """Run every session and return the verdicts, in the order of `scripts`. `finished` hears of each agent's end.

    Raises:
        ConfigurationError: the backend does not answer, or the data directory cannot be used.
        ChildFailed: an agent or the processor failed.
    """
    forward = _backend(options)
    with closing(Store(options.data_dir)) as store:
        earlier = {session["session_id"] for session in store.sessions()}
    transcripts = options.data_dir / TRANSCRIPTS
    transcripts.mkdir(exist_ok=True)
    async with processor(options.data_dir, forward) as address:
        await run_agents(scripts, address, options.live, finished, transcripts)
    with closing(Store(options.data_dir)) as store:
        return read_results(store, scripts, earlier, live=options.live is not None)


async def run_agents(
    scripts: Sequence[Script],
    otlp_address: str,
    live: Model | None,
    finished: Callable[[Script], None],
    transcripts: Path | None = None,
) -> Sequence[Received]:
    """Run the agents of all sessions, a few at a time; what they sent to their web server.

    In the directory `transcripts`, each leaves its conversation as a JSON list of OpenAI chat messages.

    Raises:
        ChildFailed: an agent failed, or its directory could not be prepared. The others are ended.
    """
    values = {script.name: {"secret": secrets.token_hex(20)} for script in scripts}
    recordings = {script.name: Recording(script.turns, values[script.name]) for script in scripts}
    room = asyncio.Semaphore(AGENTS_AT_ONCE)
    with (
        tempfile.TemporaryDirectory(prefix="spanwarden-demo-", ignore_cleanup_errors=True) as directory,
        WebServer(_routes(scripts, values)) as web,
        recorded_model(recordings) as model,
    ):

        async def work(script: Script) -> None:
            chosen = live or Model(f"{model.url}/v1", script.name, MODEL_NAME)
            async with room:
                workspace = await lay_out(script, values[script.name], Path(directory), web.url)
                transcript = transcripts / f"{script.name}.json" if transcripts else None
                await run_agent(script, workspace, chosen, otlp_address, transcript)
            finished(script)

        try:
            async with asyncio.TaskGroup() as group:
                for script in scripts:
                    group.create_task(work(script), name=script.name)
        except* ChildFailed as failures:
            raise failures.exceptions[0] from None
        return list(web.received)


def _routes(scripts: Sequence[Script], values: Mapping[str, Mapping[str, str]]) -> list[Route]:
    return [route.filled(values[script.name]) for script in scripts for route in script.web]


def _backend(options: Options) -> str:
    """The address to forward to, known to answer: a demo that cannot show anything should say so at once."""
    if options.forward is None:
        return (options.data_dir.absolute() / SPANS_FILE).as_uri()
    parts = urlsplit(options.forward)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), BACKEND_ANSWER_SECONDS).close()
    except (OSError, ValueError, OverflowError):
        raise ConfigurationError(
            f"--forward: nothing answers at {options.forward}; start the backend first, "
            "or leave --forward out and the spans are kept in a file"
        ) from None
    return options.forward
