"""The `spanwarden.agent` block around the current code, carried in the OpenTelemetry context."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span

from spanwarden.guard import Attachment
from spanwarden.session import Session
from spanwarden.totals import Totals

_KEY: Final = otel_context.create_key("spanwarden-run")


@dataclass(slots=True, eq=False)
class Run:
    """One block. Its session is known from the first step in it."""

    span: Span
    name: str | None
    session: Session | None
    started_ns: int
    totals: Totals = field(default_factory=Totals)
    attachment: Attachment | None = None

    def attach(self) -> None:
        """Make the block's span, and the block itself, current."""
        self.attachment = Attachment(otel_context.set_value(_KEY, self, trace.set_span_in_context(self.span)))


def run_in(context: Context) -> Run | None:
    """The block that a context is in."""
    run = context.get(_KEY)
    return run if isinstance(run, Run) else None
