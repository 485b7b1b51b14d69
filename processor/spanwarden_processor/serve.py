"""The owner process: which parts there are, in what order they start and stop.

Spans travel receive -> spool -> scoring (a process of its own) -> spool -> forward. Each part runs on threads of
its own and they meet only in the spool, so that none waits for another longer than for a commit.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from spanwarden_processor import data_directory
from spanwarden_processor.admin import AdminServer, Probes
from spanwarden_processor.allocator import collect_rarely, keep_large_blocks
from spanwarden_processor.build import build_scorer, mark_failed
from spanwarden_processor.config import Address, Settings
from spanwarden_processor.exporters import Exporter
from spanwarden_processor.exporters.file import FileExporter
from spanwarden_processor.exporters.otlp_grpc import OtlpGrpcExporter
from spanwarden_processor.forward import Forwarder
from spanwarden_processor.group_commit import Settled
from spanwarden_processor.otlp.isolate import isolate, parses
from spanwarden_processor.otlp.slices import span_keys
from spanwarden_processor.otlp.split import without_spans
from spanwarden_processor.receive import otlp_grpc
from spanwarden_processor.scoring import Scoring, ScoringParts
from spanwarden_processor.scoring_settings import ScoringSettings
from spanwarden_processor.spool import Incoming, Spool
from spanwarden_processor.store import Store
from spanwarden_processor.telemetry import Counters, MetricsCollector, Sample

GRACE_SECONDS = 5.0
"""How long calls that are under way may take when the process stops."""

_log = logging.getLogger(__name__)


class Listening(NamedTuple):
    """Where a running processor can be reached."""

    otlp_grpc: Address
    admin: Address | None
    forward: str
    data_dir: Path


class _Parts(NamedTuple):
    spool: Spool
    counters: Counters
    scoring: Scoring
    forwarder: Forwarder
    threads: tuple[threading.Thread, ...]


def serve(settings: Settings, stopping: threading.Event, when_ready: Callable[[Listening], None]) -> None:
    """Take, score and pass on spans until `stopping` is set, then finish what is held as far as time allows.

    Raises:
        ConfigurationError: an address, the data directory or the backend's address cannot be used.
        RuntimeError: a part ended by itself. Everything acknowledged is on disk, and the next start goes on with it.
    """
    keep_large_blocks()
    collect_rarely()
    with ExitStack() as stack:
        stack.enter_context(data_directory.owned(settings.data_dir))
        parts = stack.enter_context(_running(settings))
        server = otlp_grpc.start(_receiver(settings, parts), settings.listen, settings.max_message_bytes)
        stack.callback(server.stop, GRACE_SECONDS)
        admin = _start_admin(settings, parts, stopping, stack)
        when_ready(Listening(Address(settings.listen.host, server.port), admin, settings.forward, settings.data_dir))
        while not stopping.wait(0.2):
            if problems := _dead_threads(parts):
                raise RuntimeError("; ".join(problems.values()))
        server.stop(GRACE_SECONDS)
        _drain(parts, settings.shutdown_seconds)


@contextmanager
def _running(settings: Settings) -> Iterator[_Parts]:
    counters = Counters()
    with ExitStack() as stack:
        exporter = stack.enter_context(closing(_exporter(settings, counters)))
        store = stack.enter_context(closing(Store(settings.data_dir)))
        spool = stack.enter_context(closing(Spool(settings.data_dir / "spool", settings.spool_bytes, without_spans)))
        build = functools.partial(build_scorer, _scoring_settings(settings, spool))
        scoring = Scoring(
            ScoringParts(spool, store, build, spool.known_sessions, mark_failed, counters),
            settings.scoring_timeout_seconds,
        )
        forwarder = Forwarder(spool, exporter, settings.forward_max_bytes, counters)
        threads = tuple(
            threading.Thread(target=part.run, name=name, daemon=True)
            for name, part in (("scoring", scoring), ("forwarding", forwarder))
        )
        for thread in threads:
            thread.start()
        try:
            yield _Parts(spool, counters, scoring, forwarder, threads)
        finally:
            scoring.stop()
            forwarder.stop()
            for thread in threads:
                thread.join()


def _scoring_settings(settings: Settings, spool: Spool) -> ScoringSettings:
    return ScoringSettings(
        seed=spool.seed,
        fingerprint_key=spool.fingerprint_key,
        monitor=f"spanwarden/{version('spanwarden')}",
        evidence=settings.evidence,
        session_idle_seconds=settings.session_idle_seconds,
        approval_sources=settings.approval_sources,
    )


def _exporter(settings: Settings, counters: Counters) -> Exporter:
    parts = urlsplit(settings.forward)
    if parts.scheme == "file":
        return FileExporter(Path(unquote(parts.path)))
    return OtlpGrpcExporter(settings.forward, settings.forward_timeout_seconds, counters)


def _receiver(settings: Settings, parts: _Parts) -> otlp_grpc.TraceReceiver:
    def keep(request: bytes, settled: Settled) -> None:
        pieces = isolate(request)
        if not pieces:
            settled(None)
            return
        whole = pieces[0] is request
        incoming = [
            Incoming(piece, span_keys(piece, parts.spool.seed), not whole and not parses(piece)) for piece in pieces
        ]
        if not whole:
            parts.counters.add("receiver_unreadable_spans", sum(len(each.keys) for each in incoming if each.alone))
        parts.spool.submit(incoming, settled)

    return otlp_grpc.TraceReceiver(keep, otlp_grpc.InFlight(settings.max_in_flight_bytes), parts.counters)


def _start_admin(settings: Settings, parts: _Parts, stopping: threading.Event, stack: ExitStack) -> Address | None:
    if settings.admin is None:
        return None

    def sample() -> Sample:
        return Sample(parts.spool.ledger(), parts.spool.used_fraction(), parts.counters.sample(), not readiness())

    def readiness() -> Mapping[str, str]:
        problems = dict(_dead_threads(parts))
        if parts.spool.full:
            problems["spool"] = "is full until the backend has taken what is held"
        if not parts.scoring.ready:
            problems["scorer"] = "is not at work; spans are kept"
        if stopping.is_set():
            problems["process"] = "is stopping"
        return problems

    server = AdminServer(settings.admin, MetricsCollector(sample), Probes(lambda: _dead_threads(parts), readiness))
    stack.callback(server.stop)
    return Address(settings.admin.host, server.port)


def _dead_threads(parts: _Parts) -> Mapping[str, str]:
    return {thread.name: f"{thread.name} ended by itself" for thread in parts.threads if not thread.is_alive()}


def _drain(parts: _Parts, seconds: float) -> None:
    """Wait until nothing is held, or the time is over."""
    until = time.monotonic() + seconds
    while (held := parts.spool.ledger().held) and (left := until - time.monotonic()) > 0:
        parts.spool.commits.wait(parts.spool.commits.value, min(left, 0.2))
    if held:
        _log.warning("%d spans are not delivered; they stay in the spool and are sent at the next start", held)
