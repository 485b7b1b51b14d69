"""What the SDK sends at once -> requests that receivers take.

The SDK's batches count spans and log records, up to 512, and not bytes. Content is long: forty results of 150 kB make
12 MB, and a receiver refuses a request of more than 4 MiB as a whole, so that all of its spans are lost. Exporters of
OTLP that a provider has when it is instrumented therefore send a large batch in parts. They stay the same objects, and
the work is done where they do theirs, in the SDK's own thread: docs/decisions/0008-batches-in-parts.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

REQUEST_BYTES: Final = 3_500_000
"""About how many bytes go out at once; one span or record alone may have more."""
_ITEM_BYTES: Final = 512
"""Ids, times and names of a span or record."""
_VALUE_BYTES: Final = 16
_PLACES: Final = (
    ("_active_span_processor", "_span_processors"),
    ("_multi_log_record_processor", "_log_record_processors"),
)
"""Where the SDK's providers keep their processors."""
_OTLP: Final = "opentelemetry.exporter.otlp."


def send_in_parts(*providers: Any) -> list[Callable[[], None]]:
    """Have the providers' exporters send in parts; return what undoes it. What is not found is left alone."""
    return [undo for provider in providers for exporter in _exporters(provider) for undo in _split(exporter)]


def _exporters(provider: Any) -> Iterator[Any]:
    for processor_name, several_name in _PLACES:
        for processor in getattr(getattr(provider, processor_name, None), several_name, ()):
            exporter = getattr(getattr(processor, "_batch_processor", None), "_exporter", None)
            if any(cls.__module__.startswith(_OTLP) for cls in type(exporter).__mro__):
                yield exporter


def _split(exporter: Any) -> Iterator[Callable[[], None]]:
    if "export" in vars(exporter):  # replaced by somebody already
        return
    send = exporter.export

    def send_parts(batch: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        results = [send(part, *args, **kwargs) for part in parts_of(batch)]
        return next((result for result in results if result != results[0]), results[0]) if results else send(batch)

    def undo() -> None:
        with contextlib.suppress(AttributeError):
            del exporter.export

    exporter.export = send_parts
    yield undo


def parts_of(batch: Sequence[Any], most_bytes: int = REQUEST_BYTES) -> list[Sequence[Any]]:
    """The batch, in order, in parts of about so many bytes; the same object where it is no larger."""
    starts, size = [0], 0
    for index, item in enumerate(batch):
        item_bytes = _bytes_of_item(item)
        size += item_bytes
        if size > most_bytes and index > starts[-1]:
            starts.append(index)
            size = item_bytes
    if len(starts) == 1:
        return [batch]
    return [batch[start:end] for start, end in zip(starts, [*starts[1:], len(batch)], strict=True)]


def _bytes_of_item(item: Any) -> int:
    record = getattr(item, "log_record", item)
    events = getattr(record, "events", ())
    contents = (record.attributes, getattr(record, "body", None), [event.attributes for event in events])
    return _ITEM_BYTES + sum(map(_bytes_of, contents))


def _bytes_of(value: Any) -> int:
    if isinstance(value, str):
        return _VALUE_BYTES + (len(value) if value.isascii() else len(value.encode("utf-8", "replace")))
    if isinstance(value, Mapping):
        return _VALUE_BYTES + sum(_bytes_of(key) + _bytes_of(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return _VALUE_BYTES + sum(map(_bytes_of, value))
    return _VALUE_BYTES + (len(value) if isinstance(value, bytes) else 0)
