"""Start an agent as a user would: `opentelemetry-instrument python agent.py`, with environment variables only."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from spanwarden_processor.demo.children import run_child
from spanwarden_processor.demo.script import Script
from spanwarden_processor.demo.workspace import Workspace

AGENT_FILE = Path(__file__).with_name("agent.py")
AGENT_SECONDS = 60.0
LIVE_AGENT_SECONDS = 600.0


class Model(NamedTuple):
    """Where the agents' model is: an OpenAI-compatible endpoint, a key for it, and the model's name."""

    url: str
    key: str
    name: str
    agent_seconds: float = AGENT_SECONDS
    """How long an agent may take with it."""


def service_of(script: Script) -> str:
    """The service name under which a session's spans are found."""
    return f"demo-{script.name}"


async def run_agent(
    script: Script, workspace: Workspace, model: Model, otlp_address: str, transcript: Path | None = None
) -> str:
    """Run one agent to its end; what it printed. It writes its conversation to `transcript`.

    Raises:
        ChildFailed: it could not be started, failed, or took too long.
    """
    variables = {
        **workspace.environment,
        "no_proxy": f"127.0.0.1,{urlsplit(model.url).hostname}",
        "OPENAI_BASE_URL": model.url,
        "OPENAI_API_KEY": model.key,
        "OTEL_SERVICE_NAME": service_of(script),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{otlp_address}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
    }
    if transcript:
        variables["AGENT_TRANSCRIPT"] = str(transcript)
    command = ("opentelemetry-instrument", "python", str(AGENT_FILE), model.name, script.system, *script.user)
    return await run_child(command, workspace.project, variables, model.agent_seconds)
