"""Whether content may be captured, and where it goes: read from the environment, off unless asked for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from spanwarden import names
from spanwarden.messages import Reading
from spanwarden.policy import VARIABLE as POLICY_VARIABLE
from spanwarden.policy import ContentPolicy, keep_all, load_policy

VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

THINK_TAGS: Final = "SPANWARDEN_THINK_TAGS"
"""`true`: a `<think>` block at the start of an answer is reasoning."""
MEDIA_BYTES: Final = "SPANWARDEN_MEDIA_BYTES"
"""`true`: the bytes of pictures, sound and files are kept, and not only their type, size and digest."""

Place: TypeAlias = Literal["none", "span", "event", "both"]
"""Where content goes; also the value of the resource attribute `spanwarden.content`."""

_PLACES: Final[Mapping[str, Place]] = {
    "no_content": "none",
    "false": "none",
    "span_only": "span",
    "true": "span",
    "event_only": "event",
    "span_and_event": "both",
}

DEFAULT_LIMIT: Final = 1_000_000
"""Characters of one attribute, and of all content of one span. Collectors refuse messages over 4 MiB by default, and a
character may take four bytes."""
PART_LIMIT: Final = 262_144
"""Characters of one text inside of it."""
HISTORY_LIMIT: Final = 8_192
"""Characters of a conversation beyond which a span leaves out what earlier ones carry."""
SPAN_VARIABLE: Final = "SPANWARDEN_SPAN_LIMIT"
PART_VARIABLE: Final = "SPANWARDEN_PART_LIMIT"
HISTORY_VARIABLE: Final = "SPANWARDEN_HISTORY_LIMIT"
"""A number of characters, or `none`: every span repeats the whole conversation."""

_LIMIT_VARIABLES: Final = ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
"""Where the SDK reads its limit, the first that is set. It would cut in the middle of JSON; we cut before it does."""

_logger = logging.getLogger("spanwarden")


class ContentMode(NamedTuple):
    """Where content goes.

    `problem` says why a monitor will see nothing, when that may not be intended. All limits are in characters: `limit`
    of one attribute, `part_limit` of one text in it, `span_limit` of all content of a span; `history_limit` is how
    long a conversation may be that is repeated on every span (None: however long).
    """

    place: Place
    problem: str | None = None
    limit: int = DEFAULT_LIMIT
    reading: Reading = Reading()
    part_limit: int = PART_LIMIT
    history_limit: int | None = HISTORY_LIMIT
    policy: ContentPolicy = keep_all
    span_limit: int = DEFAULT_LIMIT

    @property
    def on_spans(self) -> bool:
        """Whether spans carry content."""
        return self.place in ("span", "both")

    @property
    def on_events(self) -> bool:
        """Whether log records carry content."""
        return self.place in ("event", "both")

    def warn(self) -> None:
        """Say that a monitor will see nothing, if the environment does not ask for that."""
        if self.problem is not None:
            _logger.warning(
                "%s: spans carry no content and a monitor will see nothing. Set it to SPAN_ONLY.", self.problem
            )


def content_mode(environment: Mapping[str, str]) -> ContentMode:
    """Read the capture mode. A value that is absent or misspelt never means "capture"."""
    value = environment.get(VARIABLE, "").strip()
    if not value:
        return ContentMode("none", f"{VARIABLE} is not set")
    place = _PLACES.get(value.lower())
    if place is None:
        return ContentMode("none", f"{VARIABLE} has the unknown value {value[:40]!r}")
    policy = load_policy(environment) if place != "none" else keep_all
    if policy is None:
        return ContentMode("none", f"the content policy {environment[POLICY_VARIABLE][:40]!r} cannot be loaded")
    history = environment.get(HISTORY_VARIABLE, "").strip().lower()
    return ContentMode(
        place,
        None,
        _limit(environment),
        _reading(environment),
        _number(environment, PART_VARIABLE, PART_LIMIT),
        None if history == "none" else _number(environment, HISTORY_VARIABLE, HISTORY_LIMIT),
        policy,
        _number(environment, SPAN_VARIABLE, DEFAULT_LIMIT),
    )


def _number(environment: Mapping[str, str], variable: str, default: int) -> int:
    value = environment.get(variable, "").strip()
    return int(value) if value.isdecimal() else default


def _reading(environment: Mapping[str, str]) -> Reading:
    return Reading(_is_on(environment, THINK_TAGS), _is_on(environment, MEDIA_BYTES))


def _is_on(environment: Mapping[str, str], variable: str) -> bool:
    return environment.get(variable, "").strip().lower() == "true"


def _limit(environment: Mapping[str, str]) -> int:
    for variable in _LIMIT_VARIABLES:
        value = environment.get(variable, "").strip()
        if value.isdecimal():
            return min(int(value), DEFAULT_LIMIT)
    return DEFAULT_LIMIT


def within_limits(mode: ContentMode, tracer: Any) -> ContentMode:
    """The mode within the length that a provider's code allows an attribute, beyond what the environment says."""
    length = getattr(getattr(tracer, "_span_limits", None), "max_span_attribute_length", None)
    return mode._replace(limit=min(mode.limit, length)) if isinstance(length, int) else mode


def mark_resource(provider: Any, place: Place) -> None:
    """Put `spanwarden.content` on the resource of a provider of the OpenTelemetry SDK.

    Under `opentelemetry-instrument` the provider exists before any instrumentation is loaded, and a resource
    detector would have to be named in a further environment variable. The SDK changes a resource the same way
    after a fork. A provider that cannot do this (the API's own, another SDK) is left as it is.
    """
    resource = getattr(provider, "resource", None)
    if resource is None:
        return
    mark = type(resource)({names.CONTENT: place})
    update = getattr(provider, "_update_resource", None)
    if callable(update):
        update(mark)
    elif hasattr(provider, "_resource"):  # the SDK before 1.45; tracers that it has handed out keep what they have
        provider._resource = resource.merge(mark)
