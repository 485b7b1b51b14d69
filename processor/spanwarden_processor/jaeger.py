"""Findings out of a Jaeger: its verdict spans, over the HTTP or the gRPC query API of old and new versions.

The two generations of `/api/v3/traces` spell the same parameters differently, and some versions ignore the filter on
attributes: both spellings are sent, and whoever asks filters the answer again.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import grpc
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanwarden_processor.errors import ConfigurationError
from spanwarden_processor.otlp.wire import length_delimited, varint

SERVICE = "spanwarden"
MOST_TRACES = 1_000
TIMEOUT_SECONDS = 30.0
MAX_ANSWER_BYTES = 256 * 1024 * 1024
_FIND_TRACES = "/jaeger.api_v3.QueryService/FindTraces"
_VIEWS = ("action", "reasoning", "output")


class Period(NamedTuple):
    """From when to when, in nanoseconds since the epoch."""

    start_ns: int
    end_ns: int


class QueryError(ConfigurationError):
    """Jaeger cannot be asked at this address; the message says why and what was expected."""


def findings_in(url: str, period: Period, attributes: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The findings whose verdict spans lie in the period, as the JSON objects that every command prints.

    Args:
        url: `http(s)://host:16686` for the HTTP API, `grpc://host:16685` for the gRPC API.
        period: the time of the spans.
        attributes: equalities that Jaeger may use to send less; it may also send more.

    Raises:
        QueryError: nothing answers there, or not as Jaeger does.
    """
    ask = {"http": _ask_http, "https": _ask_http, "grpc": _ask_grpc}.get(urlsplit(url).scheme)
    if ask is None or not urlsplit(url).hostname:
        raise QueryError(f"--jaeger: expected http://HOST:16686 or grpc://HOST:16685 (was {url!r})")
    for service, span in ask(url, period, attributes):
        values = span["attributes"]
        if service == SERVICE and "misalignment.finding_id" in values and "misalignment.session_verdict" not in values:
            yield _finding(span)


def _finding(span: Mapping[str, Any]) -> dict[str, Any]:
    values = {key.removeprefix("misalignment."): value for key, value in span["attributes"].items()}
    evidence = {
        "quote": values.get("evidence", ""),
        "step": None,
        "span_id": values.get("evidence_span_id", ""),
        "verified": _is_true(values.get("evidence_verified")),
    }
    taken = ("category", "severity", "risk", "authorization", "outcome", "intent", "cause", "explanation")
    return {
        "finding_id": values["finding_id"],
        "session_id": values.get("session_id", ""),
        "trace_id": span["trace_id"],
        "span_id": span["parent_id"],
        "service": values.get("agent_service", ""),
        "time": datetime.fromtimestamp(span["start_ns"] / 1e9, UTC).isoformat(timespec="microseconds"),
        "severity_number": int(values.get("severity_number", 0)),
        "score": float(values.get("score", 0.0)),
        "view": next((view for view in _VIEWS if f"score_{view}" in values), ""),
        "detector": values.get("detectors", ""),
        "evidence": [evidence],
    } | {name: values.get(name, "") for name in taken}


def _is_true(value: Any) -> bool:
    return value is True or value == "true"


Found = Iterator[tuple[str, dict[str, Any]]]
"""Spans with the service they belong to: ids in hex, attributes as Python values."""


def _ask_http(url: str, period: Period, attributes: Mapping[str, str]) -> Found:
    answer = _get(f"{url.rstrip('/')}/api/v3/traces?{urllib.parse.urlencode(_http_query(period, attributes))}")
    for document in _documents(answer):
        if "error" in document:
            raise QueryError(f"--jaeger: {url} answers: {document['error'].get('message', document['error'])}")
        for part in document.get("result", {}).get("resourceSpans", ()):
            service = _json_attributes(part.get("resource", {})).get("service.name", "")
            for scope in part.get("scopeSpans", ()):
                for span in scope.get("spans", ()):
                    yield service, _from_json(span)


def _http_query(period: Period, attributes: Mapping[str, str]) -> dict[str, str]:
    query = {
        "service_name": SERVICE,
        "start_time_min": _rfc3339(period.start_ns),
        "start_time_max": _rfc3339(period.end_ns),
        "search_depth": str(MOST_TRACES),
        "num_traces": str(MOST_TRACES),
    }
    if attributes:
        query["attributes"] = json.dumps(attributes)
    return {f"query.{spelling(name)}": value for name, value in query.items() for spelling in (str, _camel)}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _rfc3339(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            return str(answer.read(MAX_ANSWER_BYTES).decode())
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 404:  # how Jaeger says that it found nothing
                return ""
            raise QueryError(f"--jaeger: {_host(url)} answers {error.code}: {error.read(300).decode()}") from None
    except (OSError, ValueError) as error:
        raise QueryError(f"--jaeger: {_host(url)} cannot be asked: {getattr(error, 'reason', error)}") from None


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _documents(text: str) -> Iterator[dict[str, Any]]:
    """JSON objects one behind the other: a streamed answer has several."""
    decoder = json.JSONDecoder()
    position = 0
    while (position := _next(text, position)) < len(text):
        try:
            document, position = decoder.raw_decode(text, position)
        except ValueError:
            raise QueryError(
                "--jaeger: the answer is not JSON; is this the address of Jaeger's query service?"
            ) from None
        if not isinstance(document, dict):
            raise QueryError("--jaeger: the answer is not Jaeger's; is this the address of its query service?")
        yield document


def _next(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _from_json(span: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "trace_id": span.get("traceId", ""),
        "parent_id": span.get("parentSpanId", ""),
        "start_ns": int(span.get("startTimeUnixNano", 0)),
        "attributes": _json_attributes(span),
    }


def _json_attributes(item: Mapping[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each.get("value", {}).values()), None) for each in item.get("attributes", ())}


def _ask_grpc(url: str, period: Period, attributes: Mapping[str, str]) -> Found:
    options = (("grpc.max_receive_message_length", MAX_ANSWER_BYTES),)
    with grpc.insecure_channel(urlsplit(url).netloc, options) as channel:
        try:
            for chunk in channel.unary_stream(_FIND_TRACES)(_grpc_query(period, attributes), timeout=TIMEOUT_SECONDS):
                yield from _from_chunk(chunk)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise QueryError(f"--jaeger: {url} cannot be asked: {error.details()}") from None


def _from_chunk(chunk: bytes) -> Found:
    # api_v3 streams TracesData; the message that older versions used instead has the same field at the same number.
    for part in TracesData.FromString(chunk).resource_spans:
        service = _values(part.resource).get("service.name", "")
        for span in (span for scope in part.scope_spans for span in scope.spans):
            found = {"trace_id": span.trace_id.hex(), "parent_id": span.parent_span_id.hex()}
            yield service, {**found, "start_ns": span.start_time_unix_nano, "attributes": _values(span)}


def _values(item: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "", None) for each in item.attributes}


def _map_entry(key: str, value: str) -> bytes:
    return length_delimited(1, key.encode()) + length_delimited(2, value.encode())


def _grpc_query(period: Period, attributes: Mapping[str, str]) -> bytes:
    """A FindTracesRequest: the field numbers of jaeger/api_v3/query_service.proto, which has no package in Python."""
    query = b"".join(
        (
            length_delimited(1, SERVICE.encode()),
            *(length_delimited(3, _map_entry(key, value)) for key, value in attributes.items()),
            length_delimited(4, _timestamp(period.start_ns)),
            length_delimited(5, _timestamp(period.end_ns)),
            b"\x40" + varint(MOST_TRACES),
        )
    )
    return length_delimited(1, query)


def _timestamp(time_ns: int) -> bytes:
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return b"\x08" + varint(seconds) + b"\x10" + varint(rest)
