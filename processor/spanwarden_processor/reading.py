"""What a dialect makes of a span: the one shape that all of them are brought to.

Messages are in the shape of the GenAI semantic conventions, `[{"role": …, "parts": [{"type": …, …}]}]`, as JSON text or
as Python values. A dialect says where they stand; reading them, with all the care that takes, is `messages`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

from msgspec import Struct

from spanwarden_processor.types import ReasoningKind, Span

Content: TypeAlias = Any
"""JSON text, or the value that such a text would hold; None where the span has none."""

Operation: TypeAlias = Literal["model", "tool", "step", "agent", "other"]
"""A call of a model, a tool's execution, one step shown by itself (reasoning, an approval), a run that encloses others
and repeats what they say, or something that is about GenAI and shows no step."""


class Reading(Struct, frozen=True):
    """One span about GenAI, read by its dialect.

    `own` is what happened in this span. `history` and `system` are what it was given, seen before for the most part.
    `session` names the conversation, by the best id that the span has. `truncated` says that the sender cut content;
    `left_out` counts messages of the history that it does not repeat, because earlier spans carry them.
    """

    operation: Operation
    own: Content = None
    history: Content = None
    system: Content = None
    session: str | None = None
    reasoning: ReasoningKind = "raw"
    truncated: bool = False
    left_out: int = 0


class Dialect(NamedTuple):
    """How one instrumentation writes spans.

    `read` gives None for a span of others. `markers` are bytes of which one stands in every span that it reads, so
    that the many others cost nothing.
    """

    name: str
    markers: tuple[bytes, ...]
    read: Callable[[Span], Reading | None]
