"""Messages to steps: roles, parts, trust, arguments and results, whatever their spelling.

The shape is that of the GenAI semantic conventions; the messages of the OpenAI API are read as well. What cannot be
read is left out and said (`Flaw`), never raised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from msgspec import Struct

from spanwarden_processor.json_care import (
    REDACTED_CHARACTERS_MAX,
    Flaw,
    Parsed,
    as_text,
    is_redacted,
    json_of,
    parse,
    spelled,
)
from spanwarden_processor.openai_api import parts_of
from spanwarden_processor.scoring_settings import Limits
from spanwarden_processor.types import ReasoningKind, SpanRef, Step, StepKind, Trust

_ROLES: Final[Mapping[str, tuple[StepKind, Trust]]] = {
    "system": ("system", "trusted"),
    "developer": ("system", "trusted"),
    "user": ("user", "trusted"),
    "tool": ("tool_result", "untrusted"),
    "function": ("tool_result", "untrusted"),
}
_REASONING_KINDS: Final[Mapping[str, ReasoningKind]] = {"summary": "summary", "encrypted": "encrypted"}
_MEDIA: Final = frozenset({"blob", "file", "uri", "image", "image_url", "input_image", "input_audio", "input_file"})
_JSON_STARTS: Final = frozenset('{["')
_UNKNOWN_ROLE: Final[tuple[StepKind, Trust]] = ("message", "untrusted")
_APPROVED: Final = frozenset({"approve", "approved", "accept", "accepted", "allow", "allowed", "yes", "true"})


RawPart: TypeAlias = Mapping[str, Any]
"""A part of a message, as it was sent."""


class Shown(Struct, frozen=True):
    """A step as a span shows it, before anyone knows whether its session has it already.

    `content` is what makes it the same step elsewhere: its text, or the arguments of a call in one fixed spelling.
    `cut` says that this is not all of it. `text` is None where it is the JSON of the arguments. The rest is as in Step.
    """

    kind: StepKind
    content: str
    text: str | None
    trust: Trust = "untrusted"
    tool: str | None = None
    arguments: Any = None
    call_id: str | None = None
    reasoning: ReasoningKind = "none"
    cut: bool = False

    def step(self, span: SpanRef, time_ns: int) -> Step:
        """The step, shown first by this span."""
        text = json_of(self.arguments) if self.text is None else self.text
        return Step(self.kind, text, span, time_ns, self.trust, self.tool, self.arguments, self.call_id, self.reasoning)


class Sender(Struct, frozen=True):
    """What the sender says of all messages of a span: the kind of its reasoning, and whether it cut content."""

    reasoning: ReasoningKind = "raw"
    cut: bool = False


class _Reading(Struct):
    """Steps as they are read, and what was found wrong on the way."""

    sender: Sender
    flaws: set[Flaw]
    steps: list[Shown] = []


@dataclass(frozen=True, slots=True)
class MessageReader:
    """How much of messages is read, and whose approvals are trusted."""

    limits: Limits
    approval_sources: frozenset[str]

    def values(self, content: Any) -> Parsed:
        """The list that content holds, be it JSON text or decoded already."""
        value, flaw = parse(content, self.limits.span_characters) if isinstance(content, str) else (content, None)
        if value is None or isinstance(value, list):
            return value, flaw
        if isinstance(value, dict):
            return [value], flaw
        return None, "redacted" if isinstance(content, str) and is_redacted(str(value)) else "error"

    def steps(self, messages: Any, flaws: set[Flaw], sender: Sender = Sender()) -> list[Shown]:  # noqa: B008 - immutable
        """The steps of a list of messages, in order. What is wrong with them is added to `flaws`."""
        reading = _Reading(sender, flaws)
        for message in messages or ():
            if not isinstance(message, dict):
                flaws.add("error")
                continue
            role = message.get("role")
            parts = message.get("parts")
            if parts is None:
                parts = parts_of(message)
            for part in parts if isinstance(parts, list) else (None,):
                if isinstance(part, dict):
                    _reader_of(part)(self, role, part, reading)
                elif isinstance(part, str):
                    self._said(role, {"content": part}, reading)
                else:
                    flaws.add("error")
        return reading.steps

    def system(self, parts: Any, flaws: set[Flaw]) -> list[Shown]:
        """The steps of system instructions: a list of parts without a message around them."""
        return self.steps([{"role": "system", "parts": parts}] if parts else (), flaws)

    def _said(self, role: Any, part: RawPart, reading: _Reading) -> None:
        kind, trust = _ROLES.get(role, _UNKNOWN_ROLE) if isinstance(role, str) else _UNKNOWN_ROLE
        self._say(kind, trust, part, reading)

    def _other(self, role: Any, part: RawPart, reading: _Reading) -> None:
        """A part of a type that is not known: nobody can say that a person wrote it."""
        kind, _ = _ROLES.get(role, _UNKNOWN_ROLE) if isinstance(role, str) else _UNKNOWN_ROLE
        if part.get("type") not in _MEDIA and _first(part, "content", "text") is None:
            part = {"content": as_text(part)}
        self._say(kind, "untrusted", part, reading)

    def _compacted(self, _role: Any, part: RawPart, reading: _Reading) -> None:
        self._say("message", "untrusted", part, reading)

    def _say(self, kind: StepKind, trust: Trust, part: RawPart, reading: _Reading) -> None:
        text, cut = self._text(part.get("content") or _first(part, "content", "text", "refusal"), reading.flaws)
        if text:
            reading.steps.append(Shown(kind, text, text, trust, cut=cut or reading.sender.cut))

    def _reasoned(self, _role: Any, part: RawPart, reading: _Reading) -> None:
        text, cut = self._text(_first(part, "content", "text", "thinking", "reasoning"), reading.flaws)
        said = _REASONING_KINDS.get(str(part.get("kind")), reading.sender.reasoning)
        kind: ReasoningKind = said if text else "encrypted"
        reading.steps.append(Shown("reasoning", text, text, reasoning=kind, cut=cut or reading.sender.cut))

    def _called(self, _role: Any, part: RawPart, reading: _Reading) -> None:
        source = part
        if "function" in part or "custom" in part:
            inner = _first(part, "function", "custom")
            source = inner if isinstance(inner, dict) else part
        written = source.get("arguments") or _first(source, "arguments", "input", "args")
        cut = part.get("partial") is True  # a dialect knows of these arguments that they are not all
        self._call(part.get("id"), source.get("name"), written, reading, cut=cut)

    def _ran_elsewhere(self, _role: Any, part: RawPart, reading: _Reading) -> None:
        """A tool that the model's provider ran: the call, and its result where it is told."""
        inner = part.get("server_tool_call")
        inner = inner if isinstance(inner, dict) else {}
        rest = {key: value for key, value in inner.items() if key not in ("type", "status", "output", "outputs")}
        self._call(part.get("id"), part.get("name"), rest.get("arguments", rest), reading)
        output = _first(inner, "output", "outputs")
        if output:
            self._result(part.get("id"), output, reading)

    def _returned(self, _role: Any, part: RawPart, reading: _Reading) -> None:
        call_id = part.get("id") or _first(part, "tool_call_id", "tool_use_id")
        told = ("response", "result", "server_tool_call_response", "content", "output")
        self._result(call_id, part.get("response") or _first(part, *told), reading)

    def _decided(self, _role: Any, part: RawPart, reading: _Reading) -> None:
        """A decision on a call: trusted only where the operator has named its source."""
        decision, source = str(part.get("decision")), str(part.get("source"))
        tool = part.get("name")
        allowed = decision.lower() in _APPROVED
        reading.steps.append(
            Shown(
                "approval",
                f"{source}\0{decision}",
                f"{'approved' if allowed else 'denied'}: {decision}",
                "trusted" if source in self.approval_sources else "untrusted",
                tool if isinstance(tool, str) else None,
                {"approved": allowed, "decision": decision, "source": source},
                _id(part.get("id")),
            )
        )

    def _call(self, call_id: Any, tool: Any, written: Any, reading: _Reading, *, cut: bool = False) -> None:
        content, text, arguments, flaw = self._arguments(written)
        if flaw:
            reading.flaws.add(flaw)
        if not isinstance(tool, str):
            reading.flaws.add("error")
            tool = ""
        cut = cut or reading.sender.cut or flaw is not None or written is None
        reading.steps.append(Shown("tool_call", content, text, "untrusted", tool, arguments, _id(call_id), "none", cut))

    def _arguments(self, written: Any) -> tuple[str, str | None, Any, Flaw | None]:
        """A call's arguments in their one spelling, as text (None: it is their JSON), and decoded.

        Text that is no JSON is the argument.
        """
        if written is None:
            return "", "", None, None
        text, arguments, flaw = self._decoded(written) if isinstance(written, str) else (None, written, None)
        content = text if isinstance(arguments, str) and text is not None else spelled(arguments)
        if max(len(content), len(text or "")) <= self.limits.step_characters:
            return content, text, arguments, flaw
        text, arguments = self._cut(text or json_of(arguments)), self._cut_values(arguments)
        return text if isinstance(arguments, str) else spelled(arguments), text, arguments, "truncated"

    def _decoded(self, written: str) -> tuple[str, Any, Flaw | None]:
        if written.lstrip()[:1] not in ("{", "[", '"'):
            return written, written, "redacted" if is_redacted(written) else None
        value, flaw = parse(written, self.limits.span_characters)
        return (written, written, None) if flaw == "error" else (written, value, flaw)

    def _result(self, call_id: Any, response: Any, reading: _Reading) -> None:
        text, cut = self._text(response, reading.flaws)
        content = text
        if text[:1] in _JSON_STARTS and not cut:
            value, flaw = parse(text, self.limits.step_characters)
            if isinstance(value, str) and flaw is None:
                text = content = value
            elif flaw is None:
                content = spelled(value)
        cut = cut or reading.sender.cut
        reading.steps.append(Shown("tool_result", content, text, call_id=_id(call_id), cut=cut))

    def _text(self, value: Any, flaws: set[Flaw]) -> tuple[str, bool]:
        """A value as text, at most as long as a step may be, and whether it was cut."""
        text = value if isinstance(value, str) else as_text(value)
        if len(text) > self.limits.step_characters:
            flaws.add("truncated")
            return self._cut(text), True
        if len(text) < REDACTED_CHARACTERS_MAX and is_redacted(text):
            flaws.add("redacted")
        return text, False

    def _cut(self, text: str) -> str:
        half = self.limits.step_characters // 2
        return f"{text[:half]}\n[{len(text) - 2 * half} characters not read]\n{text[-half:]}"

    def _cut_values(self, value: Any) -> Any:
        match value:
            case str() if len(value) > self.limits.step_characters:
                return self._cut(value)
            case list():
                return [self._cut_values(item) for item in value]
            case dict():
                return {key: self._cut_values(item) for key, item in value.items()}
            case _:
                return value


_ReadPart: TypeAlias = Callable[[MessageReader, Any, RawPart, _Reading], None]

_PARTS: Final[Mapping[str, _ReadPart]] = {
    "text": MessageReader._said,
    "input_text": MessageReader._said,
    "output_text": MessageReader._said,
    "refusal": MessageReader._said,
    "compaction": MessageReader._compacted,
    "approval": MessageReader._decided,
    **dict.fromkeys(
        ("reasoning", "thinking", "reasoning_text", "reasoning_content", "reasoningContent"), MessageReader._reasoned
    ),
    **dict.fromkeys(("tool_call", "tool_use", "function", "function_call", "custom"), MessageReader._called),
    "server_tool_call": MessageReader._ran_elsewhere,
    **dict.fromkeys(
        ("tool_call_response", "tool_result", "server_tool_call_response", "function_call_output"),
        MessageReader._returned,
    ),
}


def _reader_of(part: RawPart) -> _ReadPart:
    kind = "reasoning" if part.get("thought") is True else part.get("type")
    return _PARTS.get(kind, MessageReader._other) if isinstance(kind, str) else MessageReader._other


def _first(part: RawPart, *keys: str) -> Any:
    for key in keys:
        if (value := part.get(key)) is not None:
            return value
    return None


def _id(value: Any) -> str | None:
    return value[:256] if isinstance(value, str) and value else None
