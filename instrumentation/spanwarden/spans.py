"""Steps that are known in full -> spans and events of the GenAI semantic conventions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import orjson
from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from spanwarden import names
from spanwarden.content import ContentMode
from spanwarden.encode import sendable
from spanwarden.guard import Counts, guarded
from spanwarden.messages import AskedCall, decoded
from spanwarden.policy import keep_all
from spanwarden.reasoning import Thought
from spanwarden.session import Call, Session, ToolResult
from spanwarden.shorten import cut_text, fitting

Attributes: TypeAlias = dict[str, Any]


class Interval(NamedTuple):
    """From when to when, in nanoseconds since the epoch."""

    started_ns: int
    ended_ns: int


class Spans:
    """Makes spans. Holds where they go and whether they may carry content, and no state of any run."""

    def __init__(self, tracer: Tracer, logger: Logger, mode: ContentMode, counts: Counts) -> None:
        self.mode = mode
        self._on_spans = mode.on_spans
        self._keeps_all = mode.policy is keep_all
        self._tracer = tracer
        self._logger = logger
        self.counts = counts

    def start_call(self, attributes: Attributes, started_ns: int, context: Context | None) -> Span:
        """A model call, from now on."""
        operation, model = attributes[names.OPERATION], attributes.get(names.REQUEST_MODEL)
        name = f"{operation} {model}" if model else operation
        return self._tracer.start_span(name, context, SpanKind.CLIENT, attributes, start_time=started_ns)

    def start_root(self, model: str | None, started_ns: int) -> Span:
        """A run that nobody announced."""
        attributes: Attributes = {names.OPERATION: "invoke_agent", names.INFERRED: True}
        if model is not None:
            attributes[names.REQUEST_MODEL] = sendable(model)
        return self._tracer.start_span("invoke_agent", None, SpanKind.INTERNAL, attributes, None, started_ns)

    def start_run(self, name: str | None, conversation_id: str | None) -> Span:
        """A run that the program announced."""
        attributes: Attributes = {names.OPERATION: "invoke_agent"}
        if name:
            attributes[names.AGENT_NAME] = name
        if conversation_id:
            attributes[names.CONVERSATION_ID] = conversation_id
        span_name = f"invoke_agent {name}" if name else "invoke_agent"
        return self._tracer.start_span(span_name, None, SpanKind.INTERNAL, attributes)

    def start_tool(self, name: str, context: Context) -> Span:
        """A tool that the program announced."""
        attributes = _tool_attributes(name, None)
        return self._tracer.start_span(f"execute_tool {name}", context, SpanKind.INTERNAL, attributes)

    def reasoning(
        self, session: Session, thought: Thought, context: Context, interval: Interval, *, inferred: bool
    ) -> None:
        """One step of reasoning."""
        attributes: Attributes = {
            names.SESSION_ID: session.id,
            names.STEP: session.next_step(),
            names.REASONING_KIND: thought.kind,
        }
        if inferred:
            attributes[names.INFERRED] = True
        if self._on_spans:
            self._add_json(attributes, names.OUTPUT_MESSAGES, [{"role": "assistant", "parts": [thought.part()]}])
        span = self._tracer.start_span("reasoning", context, SpanKind.INTERNAL, attributes, None, interval.started_ns)
        span.end(interval.ended_ns)

    def inferred_tool(self, result: ToolResult, context: Context, agent: str | None, ended_ns: int) -> None:
        """A tool call that the program made between two requests."""
        call, asked, content = result
        name = sendable(asked.name)
        attributes = _tool_attributes(name, agent)
        attributes[names.INFERRED] = True
        self.describe_tool(attributes, call.session, call, asked)
        if self._on_spans:
            self._add_text(attributes, names.TOOL_CALL_RESULT, content)
        started_ns = min(call.asked_ns, ended_ns)
        span = self._tracer.start_span(f"execute_tool {name}", context, SpanKind.INTERNAL, attributes, None, started_ns)
        span.end(ended_ns)

    def describe_tool(
        self, attributes: Attributes, session: Session, call: Call | None, asked: AskedCall | None
    ) -> None:
        """Add where a tool call stands in its session and, where the model asked for it, how."""
        attributes[names.SESSION_ID] = session.id
        attributes[names.STEP] = session.next_step()
        if call is None or asked is None:
            return
        attributes[names.TOOL_CALL_ID] = sendable(asked.id)
        if call.description:
            attributes[names.TOOL_DESCRIPTION] = sendable(call.description)
        if self._on_spans:
            self._add_arguments(attributes, asked.arguments)

    def tool_content(self, key: str, value: Any) -> Attributes:
        """Arguments or result of a tool, if content is asked for."""
        attributes: Attributes = {}
        if self._on_spans and value is not None:
            self._add_text(attributes, key, value)
        return attributes

    def close_call(
        self, span: Span, attributes: Attributes, content: Mapping[str, Any], context: Context, ended_ns: int
    ) -> None:
        """End a model call's span with its content, and emit its event."""
        texts: Attributes = {}
        left = self.mode.span_limit
        for key, value in content.items():
            self._add_json(texts, key, value, min(left, self.mode.limit))
            left = max(left - len(texts.get(key, "")), 2)
        if self.mode.on_events:
            structures = {key: orjson.loads(text) for key, text in texts.items() if isinstance(text, str)}
            self._logger.emit(
                timestamp=ended_ns,
                context=context,
                severity_number=SeverityNumber.DEBUG,
                event_name=names.INFERENCE_EVENT,
                attributes={**attributes, **texts, **structures},
            )
        if self._on_spans:
            attributes.update(texts)
        span.set_attributes(attributes)
        span.end(ended_ns)

    def fail(self, span: Span, error: BaseException) -> None:
        """Note an error. Its text may quote content, so it is there only where content is."""
        span.set_attribute(names.ERROR_TYPE, type(error).__qualname__)
        description: Attributes = {}
        if self._on_spans:
            self._add_text(description, "message", str(error)[:500])
        span.set_status(Status(StatusCode.ERROR, description.get("message")))

    def mark_failed(self, span: Span) -> None:
        """Give a span the status of a failure, where it has none with a description yet."""
        if getattr(getattr(span, "status", None), "status_code", None) != StatusCode.ERROR:
            span.set_status(Status(StatusCode.ERROR))

    def _add_json(self, attributes: Attributes, key: str, value: Any, limit: int | None = None) -> None:
        kept = value if self._keeps_all else self._allowed(key, value)
        if kept is None:
            return
        attributes[key], cut = fitting(kept, self.mode.limit if limit is None else limit, self.mode.part_limit)
        if cut:
            self._note_cut(attributes)

    @guarded
    def _allowed(self, key: str, value: Any) -> Any:
        """What the user's policy lets through; nothing where it fails."""
        return self.mode.policy(key, value)

    def _add_arguments(self, attributes: Attributes, written: str) -> None:
        """Arguments as the model wrote them; too long ones cut inside of their JSON."""
        if len(written) <= min(self.mode.limit, self.mode.part_limit) and self._keeps_all:
            attributes[names.TOOL_CALL_ARGUMENTS] = sendable(written)
        else:
            self._add_text(attributes, names.TOOL_CALL_ARGUMENTS, decoded(written))

    def _add_text(self, attributes: Attributes, key: str, value: Any) -> None:
        """Text as it is, all else as JSON."""
        if not isinstance(value, str):
            self._add_json(attributes, key, value)
            return
        kept = value if self._keeps_all else self._allowed(key, value)
        if kept is None:
            return
        limit = min(self.mode.limit, self.mode.part_limit)
        attributes[key], cut = cut_text(sendable(str(kept)), limit)
        if cut:
            self._note_cut(attributes)

    def _note_cut(self, attributes: Attributes) -> None:
        attributes[names.TRUNCATED] = True
        self.counts.contents_truncated += 1


def _tool_attributes(name: str, agent: str | None) -> Attributes:
    attributes: Attributes = {
        names.OPERATION: "execute_tool",
        names.TOOL_NAME: name,
        names.TOOL_TYPE: "function",
    }
    if agent:
        attributes[names.AGENT_NAME] = agent
    return attributes
