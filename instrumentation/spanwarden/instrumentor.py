"""The entry point of `opentelemetry-instrument`: loads nothing until `openai` is imported, then wraps it."""

from __future__ import annotations

import functools
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version
from typing import Any, Final, TypeAlias

import wrapt
from opentelemetry import trace
from opentelemetry._logs import get_logger, get_logger_provider
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # untyped upstream

from spanwarden import client, live, names, threads, workers
from spanwarden.calls import Calls
from spanwarden.content import ContentMode, content_mode, mark_resource, within_limits
from spanwarden.executors import carry_context
from spanwarden.exporting import send_in_parts
from spanwarden.foreign import ForeignSpans
from spanwarden.guard import Counts
from spanwarden.metrics import meter_of
from spanwarden.recorder import Recorder, new_recorder

Unwrappers: TypeAlias = list[Callable[[], None]]
Wrappers: TypeAlias = list[Callable[[Any], Unwrappers]]

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
    _wrappers: Mapping[str, Wrappers] = {}
    _awaited: set[str] = set()  # noqa: RUF012 - of a singleton
    _follows_forks: bool = False

    @property
    def recorder(self) -> Recorder:
        """What makes the spans. Before `instrument`, the steps that a program announces go to the global provider."""
        if self._recorder is None:
            self._recorder = _build(content_mode(os.environ), {})
            self._follow_forks()
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
        self._follow_forks()
        providers = _providers(kwargs)
        self._leaving = workers.Leaving(recorder, functools.partial(_providers, kwargs))
        self._foreign.watch(providers[0], recorder.sessions)
        self._unwrappers = [*carry_context(os.environ), *send_in_parts(*providers)]

        # On import and not now: the processes that an agent's tools start inherit the instrumentation, and should
        # neither pay for the client nor print a warning into a tool's output.
        self._wrappers = _wrappers(recorder.calls, mode, self._leaving)
        for name in self._wrappers:
            self._wrap_once_imported(name)

    def _wrap_once_imported(self, name: str) -> None:
        module = sys.modules.get(name)
        if module is not None:
            self._wrap(name, module)
        elif name not in self._awaited:  # a hook cannot be taken back, so that one has to do for good
            self._awaited.add(name)
            wrapt.register_post_import_hook(functools.partial(self._wrap, name), name)

    def _wrap(self, name: str, module: Any) -> None:
        self._awaited.discard(name)
        for wrap in self._wrappers.get(name, ()):
            try:
                self._unwrappers.extend(wrap(module))
            except Exception as error:  # noqa: BLE001 - a client of another make; the program's import goes on
                self.counts.note_fault(name, error)

    def _follow_forks(self) -> None:
        if not self._follows_forks and hasattr(os, "register_at_fork"):
            self._follows_forks = True
            os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        if self._recorder is not None:
            self._recorder.after_fork()

    def _uninstrument(self, **_kwargs: Any) -> None:
        for unwrap in self._unwrappers:
            unwrap()
        self._unwrappers, self._wrappers = [], {}
        self._foreign.stop()
        if self._recorder is not None:
            self._recorder.stop()
            self._recorder = None
            self._leaving = None  # `multiprocessing` refers to it weakly


def _wrappers(calls: Calls, mode: ContentMode, leaving: workers.Leaving) -> Mapping[str, Wrappers]:
    """What to do with which module once it is imported."""
    wrappers: dict[str, Wrappers] = defaultdict(list)
    for target in client.TARGETS:
        wrappers[target.module].append(functools.partial(client.wrap, calls, target))
    for live_target in live.TARGETS:
        wrappers[live_target.module].append(functools.partial(live.wrap, calls, live_target))
    for module, wrap in threads.wrappers(calls):
        wrappers[module].append(wrap)
    wrappers[workers.MODULE].append(leaving.watch)
    wrappers[client.TRANSPORT].append(functools.partial(client.wrap_transport, calls))
    wrappers[client.TARGETS[0].module].append(functools.partial(_warn, mode))
    return wrappers


def _warn(mode: ContentMode, _module: Any) -> Unwrappers:
    mode.warn()
    return []


def _providers(given: Mapping[str, Any]) -> tuple[Any, Any]:
    """The providers of spans and of log records: those that are given, else the program's."""
    tracer_provider = given.get("tracer_provider") or trace.get_tracer_provider()
    return tracer_provider, given.get("logger_provider") or get_logger_provider()


def _build(mode: ContentMode, providers: Mapping[str, Any]) -> Recorder:
    tracer_provider, logger_provider = providers.get("tracer_provider"), providers.get("logger_provider")
    for provider in _providers(providers):
        mark_resource(provider, mode.place)
    tracer = trace.get_tracer(names.SCOPE, version("spanwarden"), tracer_provider, names.SCHEMA_URL)
    mode = within_limits(mode, tracer)
    logger = get_logger(names.SCOPE, version("spanwarden"), logger_provider, names.SCHEMA_URL)
    meter = meter_of(os.environ, providers.get("meter_provider"))
    return new_recorder(tracer, logger, meter, mode)
