"""What is wrong, and what to do about it: settings, ports, spool and backend of a processor; variables of an agent."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from spanwarden_processor import config, data_directory
from spanwarden_processor.config import Address, Settings
from spanwarden_processor.errors import ConfigurationError, DataDirectoryInUse, ExportError
from spanwarden_processor.exporters.otlp_grpc import OtlpGrpcExporter
from spanwarden_processor.telemetry import Counters

State = Literal["ok", "note", "problem"]

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
DEFAULT_ENDPOINT = "http://localhost:4317"
SEEN_ON_SPANS = frozenset({"SPAN_ONLY", "SPAN_AND_EVENT", "TRUE"})
"""Values with which a processor of traces sees content."""
PACKAGES = ("spanwarden", "grpcio", "protobuf", "opentelemetry-sdk", "opentelemetry-instrumentation", "openai", "lmdb")
CONNECT_SECONDS = 3.0


class Check(NamedTuple):
    """One thing that was looked at, what was found, and what to do where it is wrong."""

    subject: str
    state: State
    found: str
    remedy: str = ""


def versions() -> Iterator[Check]:
    """What is installed."""
    yield Check("python", "ok", sys.version.split()[0])
    for name in PACKAGES:
        try:
            yield Check(name, "ok", version(name))
        except PackageNotFoundError:
            yield Check(name, "note", "not installed")


def processor(flags: Mapping[str, Any], file: Path | None) -> Iterator[Check]:
    """What would keep `serve` with these settings from its work."""
    try:
        settings = config.load(flags, file=file)
    except ConfigurationError as error:
        yield Check("settings", "problem", str(error), "give doctor what serve is given, or correct what is named")
        return
    yield Check("settings", "ok", "are valid")
    holder = _holder(settings.data_dir)
    if isinstance(holder, Check):
        yield holder
    running = isinstance(holder, Check) and holder.state == "ok" and "in use" in holder.found
    yield from _ports(settings, running)
    yield from _room(settings)
    yield from _backend(settings)


def agent(environment: Mapping[str, str]) -> Iterator[Check]:
    """What would keep an agent with these variables from being seen."""
    yield _switched_on(environment)
    yield _loaded(environment)
    yield _content(environment)
    service = environment.get("OTEL_SERVICE_NAME")
    yield (
        Check("OTEL_SERVICE_NAME", "ok", service)
        if service
        else Check("OTEL_SERVICE_NAME", "problem", "is not set", "give each agent a name: OTEL_SERVICE_NAME=my-agent")
    )
    yield _sampler(environment)
    yield from _endpoint(environment)


def _holder(data_dir: Path) -> Check | None:
    try:
        with data_directory.owned(data_dir):
            return Check("data directory", "ok", f"{data_dir} can be used")
    except DataDirectoryInUse as error:
        return Check("data directory", "ok", f"{error.args[0].removeprefix('--data-dir: ')}")
    except ConfigurationError as error:
        return Check("data directory", "problem", str(error), "choose another with --data-dir")


def _ports(settings: Settings, running: bool) -> Iterator[Check]:
    for name, address in (("listen", settings.listen), ("admin", settings.admin)):
        if address is None or not address.port:
            continue
        if _can_bind(address):
            yield Check(f"--{name} {address}", "ok", "is free")
        elif running and _answers(settings.admin):
            yield Check(f"--{name} {address}", "ok", "is taken by the processor that runs")
        else:
            yield Check(f"--{name} {address}", "problem", "is taken by another process", f"choose another --{name}")


def _can_bind(address: Address) -> bool:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError:
            return False
        return True


def _answers(admin: Address | None) -> bool:
    if admin is None:
        return True
    try:
        with urllib.request.urlopen(f"http://{admin}/healthz", timeout=CONNECT_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False


def _room(settings: Settings) -> Iterator[Check]:
    spool = settings.data_dir / "spool" / "data.mdb"
    if spool.exists():
        yield Check("spool", "ok", f"{spool.stat().st_size >> 20} MiB are set aside in {settings.data_dir}")
        return
    existing = next(each for each in (settings.data_dir, *settings.data_dir.parents) if each.exists())
    free = shutil.disk_usage(existing).free
    wanted = settings.spool_bytes
    if free < wanted:
        yield Check(
            "spool", "problem", f"{free >> 20} MiB are free, {wanted >> 20} MiB are wanted", "see --spool-bytes"
        )
    else:
        yield Check("spool", "ok", f"{free >> 20} MiB are free for the {wanted >> 20} MiB that are wanted")


def _backend(settings: Settings) -> Iterator[Check]:
    subject = f"--forward {settings.forward}"
    if urlsplit(settings.forward).scheme == "file":
        yield Check(subject, "ok", "is a file")
        return
    exporter = OtlpGrpcExporter(settings.forward, CONNECT_SECONDS, Counters())
    try:
        exporter.export(b"")
    except ExportError as error:
        yield Check(subject, "problem", f"does not take an empty request: {error}", "is OTLP/gRPC received there?")
    else:
        yield Check(subject, "ok", "takes OTLP/gRPC")
    finally:
        exporter.close()


def _switched_on(environment: Mapping[str, str]) -> Check:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Check("OTEL_SDK_DISABLED", "problem", "switches all telemetry off", "unset it")
    if file := environment.get("OTEL_CONFIG_FILE"):
        return Check(
            "OTEL_CONFIG_FILE", "note", f"{file} is the only source of settings: other OTEL_ variables are unread"
        )
    return Check("telemetry", "ok", "is not switched off")


def _loaded(environment: Mapping[str, str]) -> Check:
    disabled = {name.strip() for name in environment.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")}
    if disabled & {"spanwarden", "*"}:
        return Check("instrumentation", "problem", "is disabled", "see OTEL_PYTHON_DISABLED_INSTRUMENTATIONS")
    found = {each.name: each.value for each in entry_points(group="opentelemetry_instrumentor")}
    if "spanwarden" not in found:
        return Check("instrumentation", "problem", "is not installed here", "pip install spanwarden")
    if "openai" in found:
        return Check(
            "instrumentation", "note", f"another one traces openai too ({found['openai']}); ours adds to its spans"
        )
    return Check("instrumentation", "ok", "is loaded by opentelemetry-instrument")


def _content(environment: Mapping[str, str]) -> Check:
    value = environment.get(CONTENT, "")
    remedy = f"{CONTENT}=SPAN_ONLY"
    match value.upper():
        case upper if upper in SEEN_ON_SPANS:
            return Check(CONTENT, "ok", f"{value}: prompts, reasoning and tool calls are captured")
        case "EVENT_ONLY":
            return Check(CONTENT, "problem", "content goes to log records, which are not read", remedy)
        case "":
            return Check(CONTENT, "problem", "is not set: no content is captured, a monitor sees nothing", remedy)
        case "NO_CONTENT" | "FALSE":
            return Check(CONTENT, "problem", f"{value}: no content is captured, a monitor sees nothing", remedy)
        case _:
            return Check(CONTENT, "problem", f"{value!r} is no known value, which means no content", remedy)


def _sampler(environment: Mapping[str, str]) -> Check:
    sampler = environment.get("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    if sampler.endswith("always_on"):
        return Check("OTEL_TRACES_SAMPLER", "ok", sampler)
    return Check("OTEL_TRACES_SAMPLER", "problem", f"{sampler}: what is not sampled is not watched", "use always_on")


def _endpoint(environment: Mapping[str, str]) -> Iterator[Check]:
    protocol = _first(environment, PROTOCOLS, "grpc")
    if protocol != "grpc":
        yield Check("OTEL_EXPORTER_OTLP_PROTOCOL", "problem", f"{protocol} is not received", "unset it, or use grpc")
    endpoint = _first(environment, ENDPOINTS, DEFAULT_ENDPOINT)
    parts = urlsplit(endpoint)
    default = "" if any(environment.get(name) for name in ENDPOINTS) else " (the default)"
    try:
        socket.create_connection((parts.hostname or "", parts.port or 4317), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        remedy = "start `spanwarden serve`, or correct OTEL_EXPORTER_OTLP_ENDPOINT"
        yield Check("endpoint", "problem", f"nothing answers at {endpoint}{default}: {error}", remedy)
    else:
        yield Check("endpoint", "ok", f"{endpoint}{default} answers")


def _first(environment: Mapping[str, str], names: tuple[str, ...], default: str) -> str:
    return next((environment[name] for name in names if environment.get(name)), default)


AREAS: Mapping[str, Callable[[Mapping[str, Any], Path | None], Iterator[Check]]] = {
    "versions": lambda _flags, _file: versions(),
    "processor": processor,
    "agent": lambda _flags, _file: agent(os.environ),
}
"""What can be looked at, in the order in which it is shown."""
