"""`spanwarden serve`: stand between agents and their backend."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from spanwarden_processor import config

Text = str | None


def serve(  # noqa: PLR0913 - one parameter a flag
    forward: Annotated[Text, typer.Option(help="The backend: http://HOST:PORT (OTLP/gRPC) or file:///PATH.")] = None,
    listen: Annotated[Text, typer.Option(help="Where OTLP/gRPC is received [127.0.0.1:4317].")] = None,
    admin: Annotated[
        Text, typer.Option(help="Where /metrics, /healthz, /readyz are, or none [127.0.0.1:8889].")
    ] = None,
    data_dir: Annotated[Text, typer.Option(help="The spool and the findings [~/.local/share/spanwarden].")] = None,
    spool_bytes: Annotated[Text, typer.Option(help="Disk set aside for spans not yet delivered [2 GiB].")] = None,
    max_message_bytes: Annotated[Text, typer.Option(help="The largest request received [64 MiB].")] = None,
    forward_max_bytes: Annotated[Text, typer.Option(help="The largest request sent [4 MiB].")] = None,
    scoring_timeout_seconds: Annotated[Text, typer.Option(help="Before a silent scorer is replaced [30].")] = None,
    session_idle_seconds: Annotated[Text, typer.Option(help="Silence after which a session has ended [300].")] = None,
    shutdown_seconds: Annotated[Text, typer.Option(help="For delivering what is held at a stop [10].")] = None,
    evidence: Annotated[Text, typer.Option(help="What is written of evidence: quote, offsets or none [quote].")] = None,
    approval_sources: Annotated[
        Text, typer.Option(help="Sources whose approvals are trusted, comma-separated.")
    ] = None,
    settings_file: Annotated[Path | None, typer.Option("--config", help="A YAML file of the same settings.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout when ready.")] = False,
) -> None:
    """Receive OTLP traces, write verdicts on them, pass every span on.

    Every flag is also a variable (SPANWARDEN_FORWARD ...) and a key of the --config file; flags come first.
    """
    flags = dict(locals())
    for other in ("settings_file", "as_json"):
        flags.pop(other)
    settings = config.load(flags, file=settings_file)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # libraries that read these when they are loaded: gRPC would print each refused connection, numpy start threads
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from spanwarden_processor import serve as owner

    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())

    def when_ready(listening: owner.Listening) -> None:
        addresses = {name: None if value is None else str(value) for name, value in listening._asdict().items()}
        if as_json:
            typer.echo(json.dumps(addresses))
        else:
            typer.echo(_greeting(addresses), err=True)

    owner.serve(settings, stopping, when_ready)


def _greeting(addresses: dict[str, str | None]) -> str:
    metrics = f", metrics on http://{addresses['admin']}/metrics" if addresses["admin"] else ""
    return (
        f"spanwarden takes OTLP/gRPC on {addresses['otlp_grpc']}, passes it on to {addresses['forward']}{metrics}; "
        f"data in {addresses['data_dir']}"
    )
