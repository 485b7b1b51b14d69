"""Spans read: a request's bytes to `types.Span`, one at a time.

A map field and a repeated key-value message have the same encoding, so spans are parsed into a message of our own that
declares attributes as a map: looking up the eight keys that a dialect wants costs 1.5 us in place of the 8 us that a
walk over twenty attribute messages takes. What no dialect reads (events, links, state) is not declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1 import common_pb2

from spanwarden_processor.otlp.slices import SpanSlice, span_slices
from spanwarden_processor.otlp.wire import LENGTH_DELIMITED, Frame, fields
from spanwarden_processor.types import Span

_Declared = descriptor_pb2.FieldDescriptorProto
_RESOURCE = _SCOPE = 1


class Attributes(Mapping[str, Any]):
    """Attributes by key, each decoded when it is asked for. Of a key that stands twice the last one counts."""

    __slots__ = ("_values",)

    def __init__(self, values: Any) -> None:
        self._values = values

    def __getitem__(self, key: str) -> Any:
        if key not in self._values:
            raise KeyError(key)
        return _python(self._values[key])

    def get(self, key: str, default: Any = None) -> Any:
        """The decoded value, or `default`."""
        value = self._values.get(key)
        return default if value is None else value.string_value or _python(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values


def decode(request: bytes) -> Iterator[Span]:
    """The spans of a request that parses."""
    return (span for span in read(request, span_slices(request)) if span is not None)


def read(request: bytes, slices: Iterable[SpanSlice]) -> Iterator[Span | None]:
    """The span at each of the slices; None for one that does not parse, be it for its resource or scope."""
    resources: dict[int, Mapping[str, Any] | None] = {}
    scopes: dict[int, str | None] = {}
    for _, _, frame, scope_frame, resource_frame in slices:
        try:
            if resource_frame.start not in resources:
                resources[resource_frame.start] = None
                resources[resource_frame.start] = _resource(request, resource_frame)
            if scope_frame.start not in scopes:
                scopes[scope_frame.start] = None
                scopes[scope_frame.start] = _scope_name(request, scope_frame)
            parsed = _SpanView.FromString(request[frame.start : frame.end])
        except DecodeError:
            yield None
            continue
        resource, scope = resources[resource_frame.start], scopes[scope_frame.start]
        yield None if resource is None or scope is None else _span(parsed, resource, scope)


def _span(parsed: Any, resource: Mapping[str, Any], scope: str) -> Span:
    return Span(
        parsed.trace_id,
        parsed.span_id,
        parsed.parent_span_id,
        parsed.name,
        parsed.kind,
        parsed.start,
        parsed.end,
        Attributes(parsed.attributes),
        resource,
        scope,
        parsed.attributes_dropped,
    )


def _resource(request: bytes, frame: Frame) -> Mapping[str, Any]:
    values = _ResourceView.FromString(_merged(request, frame, _RESOURCE)).attributes
    return {key: _python(values[key]) for key in values}


def _scope_name(request: bytes, frame: Frame) -> str:
    name: str = common_pb2.InstrumentationScope.FromString(_merged(request, frame, _SCOPE)).name
    return name


def _merged(request: bytes, frame: Frame, number: int) -> bytes:
    """The content of a message that may stand in several fields: they merge by being written one after the other."""
    return b"".join(
        request[field.start : field.end]
        for field in fields(request, frame.start, frame.end)
        if field.number == number and field.wire_type == LENGTH_DELIMITED
    )


def _python(value: Any) -> Any:
    """An AnyValue as Python's own."""
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_python(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _python(pair.value) for pair in value.kvlist_value.values}
        case kind:
            return getattr(value, kind)


def _view_class(name: str, scalars: Mapping[str, tuple[int, int]], attributes: int) -> Any:
    """A message class with these fields (name to number and type) and its attributes as a map."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(common_pb2.DESCRIPTOR.serialized_pb)
    file = _file(name, scalars, attributes)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"spanwarden.{name}"))


def _file(name: str, scalars: Mapping[str, tuple[int, int]], attributes: int) -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name=f"spanwarden/{name}.proto", package="spanwarden", syntax="proto3", dependency=[common_pb2.DESCRIPTOR.name]
    )
    message = file.message_type.add(name=name)
    for field, (number, kind) in scalars.items():
        message.field.add(name=field, number=number, type=kind, label=_Declared.LABEL_OPTIONAL)
    entry = message.nested_type.add(name="AttributesEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=_Declared.TYPE_STRING, label=_Declared.LABEL_OPTIONAL)
    entry.field.add(
        name="value",
        number=2,
        type=_Declared.TYPE_MESSAGE,
        type_name=".opentelemetry.proto.common.v1.AnyValue",
        label=_Declared.LABEL_OPTIONAL,
    )
    message.field.add(
        name="attributes",
        number=attributes,
        type=_Declared.TYPE_MESSAGE,
        type_name=f".spanwarden.{name}.AttributesEntry",
        label=_Declared.LABEL_REPEATED,
    )
    return file


_SpanView = _view_class(
    "SpanView",
    {
        "trace_id": (1, _Declared.TYPE_BYTES),
        "span_id": (2, _Declared.TYPE_BYTES),
        "parent_span_id": (4, _Declared.TYPE_BYTES),
        "name": (5, _Declared.TYPE_STRING),
        "kind": (6, _Declared.TYPE_INT32),
        "start": (7, _Declared.TYPE_FIXED64),
        "end": (8, _Declared.TYPE_FIXED64),
        "attributes_dropped": (10, _Declared.TYPE_UINT32),
    },
    attributes=9,
)
_ResourceView = _view_class("ResourceView", {}, attributes=1)
