"""Samplers of a program's own, of which only what they do is written down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes


class OwnSampler(Sampler):
    """Keeps every span. A kind of it may look at a span's name and attributes first, and decide otherwise."""

    def look(self, name: str, attributes: Any) -> None:
        """See a span that is about to be."""

    def decide(self, name: str, attributes: Attributes, usual: SamplingResult) -> SamplingResult:  # noqa: ARG002
        """Make something else of what is usual."""
        return usual

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        self.look(name, attributes)
        usual = ALWAYS_ON.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        return self.decide(name, attributes, usual)

    def get_description(self) -> str:
        return type(self).__name__
