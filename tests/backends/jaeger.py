"""A real Jaeger and questions to it, over the HTTP API that its users have."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, TracesData

from backends.backend_process import REPOSITORY, BackendProcess, binary
from processor_process import free_port

ALL_TIME = {"start_time_min": "2020-01-01T00:00:00Z", "start_time_max": "2100-01-01T00:00:00Z"}
MAX_TRACES = 1000
KEYS_OF_THE_UI = {
    "misalignment.verdict", "misalignment.severity", "misalignment.category", "misalignment.session_id",
    "misalignment.evidence_span_id",
}  # fmt: skip
"""What the searches and links of collector-config/jaeger-ui.json start from; every finding has them."""


class Jaeger(BackendProcess):
    """Jaeger with the repository's own configuration, on free ports.

    `directory` takes its log and, with `keeps_data`, its spans: then a restart finds them again.
    """

    def __init__(self, directory: Path, *, keeps_data: bool = False) -> None:
        self.otlp_port, self._http_port, self._grpc_port = free_port(), free_port(), free_port()
        variables = {
            "JAEGER_OTLP_PORT": str(self.otlp_port),
            "JAEGER_HTTP_PORT": str(self._http_port),
            "JAEGER_GRPC_PORT": str(self._grpc_port),
            "JAEGER_METRICS_PORT": str(free_port()),
            "JAEGER_DATA_DIR": str(directory),
            # It would send spans of its own queries to port 4317.
            "OTEL_TRACES_SAMPLER": "always_off",
        }
        configs = [REPOSITORY / "collector-config" / "jaeger.yaml"]
        if keeps_data:
            configs.append(Path(__file__).with_name("jaeger-on-disk.yaml"))
        command = [str(binary("jaeger")), *(f"--config={config}" for config in configs)]
        super().__init__(command, variables, directory / "jaeger.log")

    @property
    def url(self) -> str:
        """Where it takes OTLP/gRPC."""
        return f"http://127.0.0.1:{self.otlp_port}"

    @property
    def ui_url(self) -> str:
        return f"http://127.0.0.1:{self._http_port}"

    @property
    def grpc_url(self) -> str:
        """Where it answers questions over gRPC."""
        return f"grpc://127.0.0.1:{self._grpc_port}"

    def is_ready(self) -> bool:
        try:
            self._get("/api/services")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def services(self) -> set[str]:
        """The services it has spans of."""
        return set(self._get("/api/services")["data"] or ())

    def search(self, service: str, attributes: Mapping[str, str]) -> list[ResourceSpans]:
        """All traces that have a span of this service with these attributes, as its search page finds them."""
        query = {"service": service, "tags": json.dumps(attributes), "limit": str(MAX_TRACES), "lookback": "custom"}
        query |= {"start": "0", "end": str(4_000_000_000_000_000)}
        found = self._get(f"/api/traces?{urlencode(query)}")["data"]
        return [part for trace in found for part in self.trace(trace["traceID"])]

    def spans_of(self, service: str) -> list[ResourceSpans]:
        """Every span of a service, each below its own resource."""
        values = {"service_name": service, **ALL_TIME, "num_traces": str(MAX_TRACES), "search_depth": str(MAX_TRACES)}
        # Newer versions spell the same parameters in camel case, and each version ignores the other's.
        both = {**values, **{_camel(name): value for name, value in values.items()}}
        answer = self._get("/api/v3/traces?" + urlencode({f"query.{name}": value for name, value in both.items()}))
        return [part for part in _resource_spans(answer) if service_of(part) == service]

    def trace(self, trace_id: str) -> list[ResourceSpans]:
        """Every span of a trace."""
        return list(_resource_spans(self._get(f"/api/v3/traces/{trace_id}")))

    def _get(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(self.ui_url + path, timeout=10) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return {"data": [], "result": {}}
                raise


def service_of(part: ResourceSpans) -> str:
    return next((item.value.string_value for item in part.resource.attributes if item.key == "service.name"), "")


def spans_in(parts: list[ResourceSpans]) -> list[Span]:
    return [span for part in parts for scope in part.scope_spans for span in scope.spans]


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _resource_spans(answer: Mapping[str, Any]) -> Iterator[ResourceSpans]:
    data = answer.get("result") or {}
    yield from json_format.ParseDict(_with_base64_ids(data), TracesData(), ignore_unknown_fields=True).resource_spans


def _with_base64_ids(item: Any) -> Any:
    """OTLP's JSON writes ids in hex where Protobuf's JSON reads base64."""
    if isinstance(item, list):
        return [_with_base64_ids(each) for each in item]
    if not isinstance(item, dict):
        return item
    return {
        key: base64.b64encode(bytes.fromhex(value)).decode() if key in _IDS else _with_base64_ids(value)
        for key, value in item.items()
    }


_IDS = ("traceId", "spanId", "parentSpanId")
