"""Finished spans, read the way a test asks: by name, and as a tree."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan


class Seen:
    """Finished spans in order of their start, and of their step where they started together."""

    def __init__(self, spans: Iterable[ReadableSpan]) -> None:
        self.all = sorted(spans, key=lambda span: (span.start_time or 0, attribute(span, "spanwarden.step") or 0))

    def __iter__(self) -> Iterator[ReadableSpan]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans whose name begins with these words."""
        return [span for span in self.all if span.name == name or span.name.startswith(f"{name} ")]

    def one(self, name: str) -> ReadableSpan:
        """The only span whose name begins with these words."""
        found = self.named(name)
        assert len(found) == 1, [span.name for span in self.all]
        return found[0]

    def trees(self) -> list[Any]:
        """Each trace as nested (name, children), children in order of their steps."""
        known = {span.context.span_id for span in self.all}
        tops = [span for span in self.all if span.parent is None or span.parent.span_id not in known]
        return [self._tree(span) for span in tops]

    def _tree(self, span: ReadableSpan) -> Any:
        children = [child for child in self.all if child.parent and child.parent.span_id == span.context.span_id]
        children.sort(key=lambda child: attribute(child, "spanwarden.step") or 0)
        return (span.name, [self._tree(child) for child in children]) if children else span.name

    def values(self, key: str) -> list[Any]:
        """What the spans that have this attribute say there."""
        return [attribute(span, key) for span in self.all if attribute(span, key) is not None]


def attribute(span: ReadableSpan, key: str) -> Any:
    """An attribute, or `None`."""
    return (span.attributes or {}).get(key)


def content(span: ReadableSpan, key: str) -> Any:
    """An attribute that holds JSON."""
    return json.loads(attribute(span, key))
