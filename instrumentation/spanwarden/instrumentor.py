"""The entry point of `opentelemetry-instrument`: loads nothing until `openai` is imported, then wraps it."""

from __future__ import annotations

import functools
import os
import weakref
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version
from typing import Any, Final, TypeAlias

import wrapt
from opentelemetry import trace
from opentelemetry._logs import get_logger, get_logger_provider
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # untyped upstream

from spanwarden import client, live, names, threads, workers
from spanwarden.content import ContentMode, content_mode, mark_resource, within_limits
from spanwarden.executors import carry_context
from spanwarden.exporting import send_in_parts
from spanwarden.foreign import ForeignSpans
from spanwarden.guard import Counts
from spanwarden.metrics import meter_of
from spanwarden.recorder import Recorder, new_recorder

Unwrappers: TypeAlias = list[Callable[[], None]]

_DEPENDENCIES: Final = ("openai >= 1.66, < 4",)


class SpanwardenInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # untyped upstream
    """Records every model call, reasoning step and tool call of a program that uses the `openai` client.

    A singleton, as OpenTelemetry's instrumentors are. `instrument` takes `tracer_provider`, `logger_provider` and
    `meter_provider`, and `content_policy`, a function like `spanwarden.policy.ContentPolicy`;
    everything else comes from the environment.
    """

    _recorder: Recorder | None = None
    _leaving: workers.Leaving | None = None
    _foreign = ForeignSpans()
    _unwrappers: Unwrappers = []  # noqa: RUF012 - replaced, never changed, before anything is added

    @property
    def recorder(self) -> Recorder:
        """What makes the spans. Before `instrument`, the steps that a program announces go to the global provider."""
        if self._recorder is None:
            self._recorder = _build(content_mode(os.environ), {})
        return self._recorder

    @property
    def counts(self) -> Counts:
        """What was dropped or went wrong in this process."""
        return self.recorder.counts

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions of the client that this works with."""
        return _DEPENDENCIES

    def _instrument(self, **kwargs: Any) -> None:
        mode = content_mode(os.environ)
        if kwargs.get("content_policy") is not None:
            mode = mode._replace(policy=kwargs["content_policy"])
        recorder = _build(mode, kwargs)
        self._recorder = recorder
        _follow_forks(recorder)
        self._leaving = workers.Leaving(recorder, kwargs.get("tracer_provider"), kwargs.get("logger_provider"))

        self._foreign.watch(kwargs.get("tracer_provider"), recorder.sessions)

        self._unwrappers = [*carry_context(os.environ), *send_in_parts(*_providers(kwargs))]

        # On import and not now: the processes that an agent's tools start inherit the instrumentation, and should
        # neither pay for the client nor print a warning into a tool's output.
        for target in client.TARGETS:
            self._on_import(target.module, recorder, functools.partial(client.wrap, recorder.calls, target))
        for live_target in live.TARGETS:
            self._on_import(live_target.module, recorder, functools.partial(live.wrap, recorder.calls, live_target))
        for module, wrap in threads.wrappers(recorder.calls):
            self._on_import(module, recorder, wrap)
        self._on_import(workers.MODULE, recorder, self._leaving.watch)
        self._on_import(client.TRANSPORT, recorder, functools.partial(client.wrap_transport, recorder.calls))
        self._on_import(client.TARGETS[0].module, recorder, functools.partial(_warn, mode))

    def _on_import(self, module: str, recorder: Recorder, wrap: Callable[[Any], Unwrappers]) -> None:
        def wrap_if_current(imported: Any) -> None:
            if self._recorder is recorder:
                self._unwrappers.extend(wrap(imported))

        wrapt.register_post_import_hook(wrap_if_current, module)

    def _uninstrument(self, **_kwargs: Any) -> None:
        for unwrap in self._unwrappers:
            unwrap()
        self._unwrappers = []
        self._foreign.stop()
        if self._recorder is not None:
            self._recorder.stop()
            self._recorder = None
            self._leaving = None  # `multiprocessing` refers to it weakly


def _warn(mode: ContentMode, _module: Any) -> Unwrappers:
    mode.warn()
    return []


def _providers(given: Mapping[str, Any]) -> tuple[Any, Any]:
    """The providers of spans and of log records: those that are given, else the program's."""
    return given.get("tracer_provider") or trace.get_tracer_provider(), given.get(
        "logger_provider"
    ) or get_logger_provider()


def _build(mode: ContentMode, providers: Mapping[str, Any]) -> Recorder:
    tracer_provider, logger_provider = providers.get("tracer_provider"), providers.get("logger_provider")
    for provider in _providers(providers):
        mark_resource(provider, mode.place)
    tracer = trace.get_tracer(names.SCOPE, version("spanwarden"), tracer_provider, names.SCHEMA_URL)
    mode = within_limits(mode, tracer)
    logger = get_logger(names.SCOPE, version("spanwarden"), logger_provider, names.SCHEMA_URL)
    meter = meter_of(os.environ, providers.get("meter_provider"))
    return new_recorder(tracer, logger, meter, mode)


def _follow_forks(recorder: Recorder) -> None:
    known = weakref.ref(recorder)

    def after_fork() -> None:
        present = known()
        if present is not None:
            present.after_fork()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=after_fork)
