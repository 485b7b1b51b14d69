"""Messages to steps: roles, parts, trust, arguments and results, whatever their spelling.

The shape is that of the GenAI semantic conventions; the messages of the OpenAI API are read as well. What cannot be
read is left out and said (`Flaw`), never raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from spanwarden_processor.json_care import Flaw, Parsed, is_redacted, parse
from spanwarden_processor.scoring_settings import Limits
from spanwarden_processor.types import ReasoningKind, SpanRef, Step, StepKind, Trust

_ROLES: Final[Mapping[str, tuple[StepKind, Trust]]] = {
    "system": ("system", "trusted"),
    "developer": ("system", "trusted"),
    "user": ("user", "trusted"),
    "tool": ("tool_result", "untrusted"),
    "function": ("tool_result", "untrusted"),
}
_UNKNOWN_ROLE: Final[tuple[StepKind, Trust]] = ("message", "untrusted")
_APPROVED: Final = frozenset({"approve", "approved", "accept", "accepted", "allow", "allowed", "yes", "true"})


class Shown(NamedTuple):
    """A step as a span shows it, before anyone knows whether its session has it already.

    `content` is what makes it the same step elsewhere: its text, or the arguments of a call in one fixed spelling.
    `cut` says that this is not all of it.
    """

    step: Step
    content: str
    cut: bool = False


class Place(NamedTuple):
    """Where and when something is shown."""

    span: SpanRef
    time_ns: int
    reasoning: ReasoningKind = "raw"
    cut: bool = False


@dataclass(frozen=True, slots=True)
class MessageReader:
    """How much of messages is read, and whose approvals are trusted."""

    limits: Limits
    approval_sources: frozenset[str]

    def values(self, content: Any) -> Parsed:
        """The list that content holds, be it JSON text or decoded already."""
        parsed = parse(content, self.limits.span_characters) if isinstance(content, str) else Parsed(content)
        if isinstance(parsed.value, Mapping):
            return Parsed([parsed.value], parsed.flaw)
        if parsed.value is None or isinstance(parsed.value, list):
            return parsed
        return Parsed(None, "redacted" if isinstance(content, str) and is_redacted(str(parsed.value)) else "error")

    def steps(self, messages: Any, place: Place, flaws: set[Flaw]) -> list[Shown]:
        """The steps of a list of messages, in order. What is wrong with them is added to `flaws`."""
        steps: list[Shown] = []
        for message in messages or ():
            if not isinstance(message, Mapping):
                flaws.add("error")
                continue
            role = message.get("role")
            for part in _parts(message):
                if isinstance(part, Mapping):
                    steps.extend(self._part(role, part, place, flaws))
                elif isinstance(part, str):
                    steps.extend(self._said(role, {"content": part}, place, flaws))
                else:
                    flaws.add("error")
        return steps

    def system(self, parts: Any, place: Place, flaws: set[Flaw]) -> list[Shown]:
        """The steps of system instructions: a list of parts without a message around them."""
        return self.steps([{"role": "system", "parts": parts}] if parts else (), place, flaws)

    def _part(self, role: Any, part: Mapping[str, Any], place: Place, flaws: set[Flaw]) -> Iterator[Shown]:
        if part.get("thought") is True:
            return self._reasoned(role, part, place, flaws)
        read = _PARTS.get(str(part.get("type")), MessageReader._other)
        return read(self, role, part, place, flaws)

    def _said(self, role: Any, part: Mapping[str, Any], place: Place, flaws: set[Flaw]) -> Iterator[Shown]:
        kind, trust = _ROLES.get(role, _UNKNOWN_ROLE) if isinstance(role, str) else _UNKNOWN_ROLE
        text, cut = self._text(_first(part, "content", "text"), flaws)
        if text:
            yield Shown(Step(kind, text, place.span, place.time_ns, trust), text, cut or place.cut)

    def _other(self, role: Any, part: Mapping[str, Any], place: Place, flaws: set[Flaw]) -> Iterator[Shown]:
        """A part of a type that is not known: nobody can say that a person wrote it."""
        for shown in self._said(role, part, place, flaws):
            yield shown._replace(step=shown.step._replace(trust="untrusted"))

    def _compacted(self, _role: Any, part: Mapping[str, Any], place: Place, flaws: set[Flaw]) -> Iterator[Shown]:
        return self._said("assistant", part, place, flaws)

    def _reasoned(self, _role: Any, part: Mapping[str, Any], place: Place, flaws: set[Flaw]) -> Iterator[Shown]:
        text, cut = self._text(_first(part, "content", "text", "thinking", "reasoning"), flaws)
        kind: ReasoningKind = place.reasoning if text else "encrypted"
        step = Step("reasoning", text, place.span, place.time_ns, reasoning=kind)
        yield Shown(step, text, cut or place.cut)

    def _called(self, _role: Any, part: Mapping[str, Any], place: Place, flaws: set[Flaw]) -> Iterator[Shown]:
        function = part.get("function")
        source = function if isinstance(function, Mapping) else part
        written = _first(source, "arguments", "input", "args")
        yield self._call(part.get("id"), source.get("name"), written, place, flaws)

    def _ran_elsewhere(self, _role: Any, part: Mapping[str, Any], place: Place, flaws: set[Flaw]) -> Iterator[Shown]:
        """A tool that the model's provider ran: the call, and its result where it is told."""
        inner = part.get("server_tool_call")
        inner = inner if isinstance(inner, Mapping) else {}
        rest = {key: value for key, value in inner.items() if key not in ("type", "status", "output", "outputs")}
        yield self._call(part.get("id"), part.get("name"), rest.get("arguments", rest), place, flaws)
        output = _first(inner, "output", "outputs")
        if output:
            yield self._result(part.get("id"), output, place, flaws)

    def _returned(self, _role: Any, part: Mapping[str, Any], place: Place, flaws: set[Flaw]) -> Iterator[Shown]:
        response = _first(part, "response", "result", "server_tool_call_response", "content", "output")
        yield self._result(_first(part, "id", "tool_call_id", "tool_use_id"), response, place, flaws)

    def _decided(self, _role: Any, part: Mapping[str, Any], place: Place, _flaws: set[Flaw]) -> Iterator[Shown]:
        """A decision on a call: trusted only where the operator has named its source."""
        decision, source = str(part.get("decision")), str(part.get("source"))
        tool = part.get("name")
        allowed = decision.lower() in _APPROVED
        step = Step(
            "approval",
            f"{'approved' if allowed else 'denied'}: {decision}",
            place.span,
            place.time_ns,
            "trusted" if source in self.approval_sources else "untrusted",
            tool if isinstance(tool, str) else None,
            {"approved": allowed, "decision": decision, "source": source},
            _id(part.get("id")),
        )
        yield Shown(step, f"{source}\0{decision}")

    def _call(self, call_id: Any, tool: Any, written: Any, place: Place, flaws: set[Flaw]) -> Shown:
        text, arguments, flaw = self._arguments(written)
        if flaw:
            flaws.add(flaw)
        if not isinstance(tool, str):
            flaws.add("error")
        name = str(tool or "")
        step = Step("tool_call", text, place.span, place.time_ns, tool=name, arguments=arguments, call_id=_id(call_id))
        content = text if arguments is None or isinstance(arguments, str) else _spelled(arguments)
        return Shown(step, content, bool(flaw) or place.cut or written is None)

    def _arguments(self, written: Any) -> tuple[str, Any, Flaw | None]:
        """A call's arguments as text and decoded. Text that is no JSON is the argument itself."""
        flaw: Flaw | None = None
        if isinstance(written, str):
            text, arguments = written, written
            if written.lstrip()[:1] in ("{", "[", '"'):
                parsed = parse(written, self.limits.span_characters)
                flaw = "truncated" if parsed.flaw == "truncated" else None
                arguments = written if parsed.flaw == "error" else parsed.value
        else:
            text, arguments = ("" if written is None else _json(written)), written
        if len(text) > self.limits.step_characters:
            return self._cut(text), self._cut_values(arguments), "truncated"
        return text, arguments, "redacted" if is_redacted(text) else flaw

    def _result(self, call_id: Any, response: Any, place: Place, flaws: set[Flaw]) -> Shown:
        text, cut = self._text(response, flaws)
        content = text
        if text[:1] in ("{", "[", '"') and not cut:
            value = parse(text, self.limits.step_characters)
            if isinstance(value.value, str) and value.flaw is None:
                text = content = value.value
            elif value.flaw is None:
                content = _spelled(value.value)
        step = Step("tool_result", text, place.span, place.time_ns, call_id=_id(call_id))
        return Shown(step, content, cut or place.cut)

    def _text(self, value: Any, flaws: set[Flaw]) -> tuple[str, bool]:
        """A value as text, at most as long as a step may be, and whether it was cut."""
        text = value if isinstance(value, str) else _as_text(value)
        if len(text) > self.limits.step_characters:
            flaws.add("truncated")
            return self._cut(text), True
        if is_redacted(text):
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
            case Mapping():
                return {key: self._cut_values(item) for key, item in value.items()}
            case _:
                return value


_ReadPart: TypeAlias = Callable[[MessageReader, Any, Mapping[str, Any], Place, set[Flaw]], Iterator[Shown]]

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
    **dict.fromkeys(("tool_call", "tool_use", "function", "function_call"), MessageReader._called),
    "server_tool_call": MessageReader._ran_elsewhere,
    **dict.fromkeys(
        ("tool_call_response", "tool_result", "server_tool_call_response", "function_call_output"),
        MessageReader._returned,
    ),
}


def _parts(message: Mapping[str, Any]) -> list[Any]:
    parts = message.get("parts")
    if isinstance(parts, list):
        return parts
    return _openai_parts(message) if parts is None else [None]


def _openai_parts(message: Mapping[str, Any]) -> list[Any]:
    """The parts of a message of the OpenAI API."""
    reasoning = _first(message, "reasoning_content", "reasoning")
    content = message.get("content")
    calls = message.get("tool_calls")
    parts: list[Any] = [{"type": "reasoning", "content": reasoning}] if reasoning else []
    if message.get("role") in ("tool", "function"):
        return [{"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}]
    parts += content if isinstance(content, list) else [content] if content is not None else []
    return parts + (calls if isinstance(calls, list) else [])


def _first(part: Mapping[str, Any], *keys: str) -> Any:
    for key in keys:
        if (value := part.get(key)) is not None:
            return value
    return None


def _as_text(value: Any) -> str:
    """Text of a structured value: that of its text parts where it is a list of those, else its JSON."""
    if value is None:
        return ""
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "text" in item for item in value):
        return "\n".join(str(item["text"]) for item in value)
    return _json(value)


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _spelled(value: Any) -> str:
    """The one spelling of a value: keys in order, no spaces."""
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS).decode()


def _id(value: Any) -> str | None:
    return value[:256] if isinstance(value, str) and value else None
