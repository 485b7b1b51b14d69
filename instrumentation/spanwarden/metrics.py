"""Model calls -> the metrics of the GenAI semantic conventions, where the program has set up a meter provider."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from opentelemetry.metrics import Meter, MeterProvider, NoOpMeter, get_meter

from spanwarden import names

_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS: Final = tuple(float(4**power) for power in range(14))
_RUN_SECONDS: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
_INFERENCES: Final = frozenset({"chat", "text_completion", "generate_content"})
_KEPT: Final = (
    names.OPERATION,
    names.PROVIDER,
    names.REQUEST_MODEL,
    names.RESPONSE_MODEL,
    names.SERVER_ADDRESS,
    names.SERVER_PORT,
    names.ERROR_TYPE,
    names.RESPONSE_SERVICE_TIER,
    names.RESPONSE_SYSTEM_FINGERPRINT,
)
"""Attributes of a call that its measurements carry: few values each."""
_COUNTERS: Final = (
    names.USAGE_INPUT,
    names.USAGE_OUTPUT,
    names.USAGE_CACHE_READ,
    names.USAGE_CACHE_WRITE,
    names.USAGE_REASONING,
)


VARIABLE: Final = "SPANWARDEN_METRICS"
"""`true`: measure with the meter provider of the environment.

Off otherwise: the OpenTelemetry distribution sets one up for everybody, and a backend that takes only traces would have
every program complain on its standard error.
"""


def meter_of(environment: Mapping[str, str], provider: MeterProvider | None) -> Meter:
    """The meter of the provider that is given, else the environment's where that is asked for, else an idle one."""
    if provider is None and environment.get(VARIABLE, "").strip().lower() != "true":
        return NoOpMeter(names.SCOPE)
    return get_meter(names.SCOPE, version("spanwarden"), provider, names.SCHEMA_URL)


class Metrics:
    """The instruments of one meter. Without a meter provider they are the API's own, which do nothing."""

    def __init__(self, meter: Meter) -> None:
        self._idle = isinstance(meter, NoOpMeter)

        def seconds(name: str, bounds: tuple[float, ...] = _SECONDS) -> Any:
            return meter.create_histogram(name, "s", explicit_bucket_boundaries_advisory=bounds)

        def tokens(name: str) -> Any:
            return meter.create_histogram(name, "{token}", explicit_bucket_boundaries_advisory=_TOKENS)

        self._inference_seconds = seconds("gen_ai.client.inference.duration")
        self._operation_seconds = seconds("gen_ai.client.operation.duration")
        self._first_chunk_seconds = seconds("gen_ai.client.inference.time_to_first_chunk")
        self._run_seconds = seconds("gen_ai.invoke_agent.duration", _RUN_SECONDS)
        self._tool_seconds = seconds("gen_ai.execute_tool.duration")
        self._histograms = (
            (names.USAGE_INPUT, tokens("gen_ai.client.inference.operation.input_tokens")),
            (names.USAGE_OUTPUT, tokens("gen_ai.client.inference.operation.output_tokens")),
        )
        self._counters = {
            attribute: meter.create_counter(attribute.replace("gen_ai.", "gen_ai.client.inference.", 1), "{token}")
            for attribute in _COUNTERS
        }

    def call(self, start: Mapping[str, Any], rest: Mapping[str, Any], duration_ns: int) -> None:
        """Record a call by the attributes that its span began with, and the rest of them."""
        if self._idle:
            return
        attributes = {**start, **rest}
        kept: dict[str, Any] = {key: attributes[key] for key in _KEPT if key in attributes}
        if kept.get(names.OPERATION) not in _INFERENCES:
            self._operation_seconds.record(duration_ns / 1e9, kept)
            return
        self._inference_seconds.record(duration_ns / 1e9, kept)
        first_chunk_seconds = attributes.get(names.TIME_TO_FIRST_CHUNK)
        if first_chunk_seconds is not None:
            self._first_chunk_seconds.record(first_chunk_seconds, kept)
        for attribute, counter in self._counters.items():
            if attributes.get(attribute, -1) >= 0:
                counter.add(attributes[attribute], kept)
        for attribute, histogram in self._histograms:
            if attributes.get(attribute, -1) >= 0:
                histogram.record(attributes[attribute], kept)

    def tool(self, name: str, duration_ns: int, error_type: str | None) -> None:
        """Record a tool that was observed; what is inferred says nothing about how long a tool took."""
        self._tool_seconds.record(duration_ns / 1e9, _with_error({names.TOOL_NAME: name}, error_type))

    def run(self, name: str | None, duration_ns: int, error_type: str | None) -> None:
        """Record a run that was announced."""
        self._run_seconds.record(duration_ns / 1e9, _with_error({names.AGENT_NAME: name} if name else {}, error_type))


def _with_error(attributes: dict[str, Any], error_type: str | None) -> dict[str, Any]:
    return attributes if error_type is None else {**attributes, names.ERROR_TYPE: error_type}
