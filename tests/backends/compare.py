"""What a backend must give back of the spans that it was sent: all that is the sender's, unchanged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

OURS = "misalignment."
OUR_EVENT = "gen_ai.evaluation.result"

Seen = dict[str, Any]


def differences(sent: Iterable[ResourceSpans], found: Iterable[ResourceSpans]) -> list[str]:
    """What is missing, twice, or changed, in words. Verdicts that were added are no difference."""
    expected, arrived = dict(_by_id(sent)), list(_by_id(found))
    times = Counter(key for key, _ in arrived)
    problems = [f"{expected[key]['name']} arrived {times[key]} times" for key in expected if times[key] != 1]
    for key, span in arrived:
        original = expected.get(key, {})
        problems += [
            f"{span['name']}: {part} is {value!r}, was {original[part]!r}"
            for part, value in span.items()
            if part in original and value != original[part]
        ]
    return problems


def _by_id(parts: Iterable[ResourceSpans]) -> Iterable[tuple[tuple[bytes, bytes], Seen]]:
    for part in parts:
        for scope in part.scope_spans:
            for span in scope.spans:
                where = {"resource": values_of(part.resource.attributes), "scope": scope.scope.name}
                yield (span.trace_id, span.span_id), {**where, **_seen(span)}


def _seen(span: Span) -> Seen:
    return {
        "name": span.name,
        "kind": span.kind,
        "parent": span.parent_span_id,
        "state": span.trace_state,
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "status": (span.status.code, span.status.message),
        "attributes": {key: value for key, value in values_of(span.attributes).items() if not key.startswith(OURS)},
        "events": [
            (event.name, event.time_unix_nano, values_of(event.attributes))
            for event in span.events
            if event.name != OUR_EVENT
        ],
        # Jaeger keeps where a link points to, not its attributes.
        "links": {(link.trace_id, link.span_id) for link in span.links},
    }


def values_of(items: Iterable[KeyValue]) -> Mapping[str, Any]:
    """Attributes as a mapping of plain values."""
    return {item.key: _value(item.value) for item in items}


def _value(value: AnyValue) -> Any:
    """Plain values as they are; lists and maps as the JSON text that Jaeger keeps of them."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return json.dumps([_value(each) for each in value.array_value.values], separators=(",", ":"))
    if kind == "kvlist_value":
        return json.dumps(dict(values_of(value.kvlist_value.values)), separators=(",", ":"))
    return None if kind is None else getattr(value, kind)
