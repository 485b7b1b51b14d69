"""Model calls -> the metrics of the GenAI semantic conventions, where the program has set up a meter provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

from opentelemetry.metrics import Meter, MeterProvider, NoOpMeter, get_meter

from spanwarden import names
from spanwarden.totals import Totals

_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS: Final = tuple(float(4**power) for power in range(14))
_RUN_SECONDS: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
INFERENCES: Final = frozenset({"chat", "text_completion", "generate_content"})
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
_COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read.input_tokens",
    "cache_write.input_tokens",
    "reasoning.output_tokens",
)
_CALLS: Final = tuple(float(2**power) for power in range(8))


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
    """The instruments of one meter. Without a meter provider they are the API's own, which do nothing: `idle`."""

    def __init__(self, meter: Meter) -> None:
        self.idle = isinstance(meter, NoOpMeter)

        def seconds(name: str, bounds: tuple[float, ...] = _SECONDS) -> Any:
            return meter.create_histogram(name, "s", explicit_bucket_boundaries_advisory=bounds)

        def tokens(name: str) -> Any:
            return meter.create_histogram(name, "{token}", explicit_bucket_boundaries_advisory=_TOKENS)

        def calls(name: str, unit: str) -> Any:
            return meter.create_histogram(name, unit, explicit_bucket_boundaries_advisory=_CALLS)

        self._inference_seconds = seconds("gen_ai.client.inference.duration")
        self._operation_seconds = seconds("gen_ai.client.operation.duration")
        self._first_chunk_seconds = seconds("gen_ai.client.inference.time_to_first_chunk")
        self._chunk_seconds = seconds("gen_ai.client.inference.time_per_output_chunk")
        self._run_seconds = seconds("gen_ai.invoke_agent.duration", _RUN_SECONDS)
        self._run_inferences = calls("gen_ai.invoke_agent.inference_calls", "{inference_call}")
        self._run_tools = calls("gen_ai.invoke_agent.tool_calls", "{tool_call}")
        self._tool_seconds = seconds("gen_ai.execute_tool.duration")
        self._histograms = (
            (names.USAGE_INPUT, tokens("gen_ai.client.inference.operation.input_tokens")),
            (names.USAGE_OUTPUT, tokens("gen_ai.client.inference.operation.output_tokens")),
        )
        self._counters = tuple(
            (count, meter.create_counter(f"gen_ai.client.inference.usage.{count}", "{token}")) for count in _COUNTS
        )

    def call(
        self,
        start: Mapping[str, Any],
        rest: Mapping[str, Any],
        duration_ns: int,
        chunk_gaps_ns: Iterable[int] = (),
    ) -> None:
        """Record a call by the attributes that its span began with, and the rest of them."""
        if self.idle:
            return
        attributes = {**start, **rest}
        kept: dict[str, Any] = {key: attributes[key] for key in _KEPT if key in attributes}
        if kept.get(names.OPERATION) not in INFERENCES:
            self._operation_seconds.record(duration_ns / 1e9, kept)
            return
        self._inference_seconds.record(duration_ns / 1e9, kept)
        counted = {key: value for key, value in kept.items() if key != names.ERROR_TYPE}  # that only durations say
        self._count_tokens(attributes, counted)
        first_chunk_seconds = attributes.get(names.TIME_TO_FIRST_CHUNK)
        if first_chunk_seconds is None:
            return
        self._first_chunk_seconds.record(first_chunk_seconds, counted)
        for gap_ns in chunk_gaps_ns:
            self._chunk_seconds.record(gap_ns / 1e9, counted)

    def _count_tokens(self, attributes: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
        """Count by modality, and 0 where nothing was told: a failed call is one that was paid for or not."""
        for count, counter in self._counters:
            left = attributes.get(f"gen_ai.usage.{count}", 0)
            for modality in names.MODALITIES:
                told = attributes.get(names.USAGE_OF_MODALITY.format(modality=modality, count=count), 0)
                if told > 0:
                    left -= told
                    counter.add(told, {**kept, names.TOKEN_MODALITY: modality})
            if left > 0 or not attributes.get(f"gen_ai.usage.{count}"):
                counter.add(max(left, 0), {**kept, names.TOKEN_MODALITY: "unknown"})
        for attribute, histogram in self._histograms:
            if attributes.get(attribute, -1) >= 0:
                histogram.record(attributes[attribute], kept)

    def tool(self, name: str, agent: str | None, duration_ns: int, error_type: str | None) -> None:
        """Record a tool that was observed; what is inferred says nothing about how long a tool took."""
        attributes = _with({names.TOOL_NAME: name, names.TOOL_TYPE: "function"}, names.AGENT_NAME, agent)
        self._tool_seconds.record(duration_ns / 1e9, _with(attributes, names.ERROR_TYPE, error_type))

    def run(self, name: str | None, duration_ns: int, error_type: str | None, totals: Totals) -> None:
        """Record a run that was announced; where one that was inferred begins and ends is a guess."""
        attributes = _with({}, names.AGENT_NAME, name)
        self._run_seconds.record(duration_ns / 1e9, _with(attributes, names.ERROR_TYPE, error_type))
        self._run_inferences.record(totals.inference_calls, attributes)
        self._run_tools.record(totals.tool_calls, attributes)


def _with(attributes: dict[str, str], key: str, value: str | None) -> dict[str, str]:
    return attributes if value is None else {**attributes, key: value}
