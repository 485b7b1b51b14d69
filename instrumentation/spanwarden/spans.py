"""Steps that are known in full -> spans and events of the GenAI semantic conventions."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson
from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from spanwarden import names
from spanwarden.content import DEFAULT_LIMIT, ContentMode
from spanwarden.encode import json_text, sendable, text_of
from spanwarden.gathering import Interval
from spanwarden.guard import Counts, guarded
from spanwarden.history import Sent
from spanwarden.messages import AskedCall, decoded, tool_definitions
from spanwarden.policy import keep_all
from spanwarden.reasoning import Thought
from spanwarden.sdk_shortcuts import SpanMaker, set_clean
from spanwarden.session import Call, Session, ToolResult
from spanwarden.shorten import cut_text, fitting

Attributes: TypeAlias = dict[str, Any]

_TOOLS_KEPT: Final = 4
"""Sets of tool definitions whose text is kept, those of sub-agents say."""
_TOOLS_LIMIT: Final = 65_536
"""Characters of such a set; longer ones are written anew each time."""

_REPEATED: Final = (names.TOOL_DEFINITIONS, names.SYSTEM_INSTRUCTIONS)
"""Content that hardly changes from request to request."""
_MESSAGES: Final = (names.INPUT_MESSAGES, names.OUTPUT_MESSAGES, *_REPEATED)
"""Content of a model call, JSON all of it."""


class Spans:
    """Makes spans. Holds where they go and whether they may carry content, and no state of any run."""

    def __init__(self, tracer: Tracer, logger: Logger, mode: ContentMode, counts: Counts) -> None:
        self.mode = mode
        self.on_spans = mode.on_spans
        self.on_events = mode.on_events
        self._keeps_all = mode.policy is keep_all
        self._text_limit = min(mode.limit, mode.part_limit)
        self._known_tools: tuple[tuple[str, str], ...] = ()
        self._tracer = tracer
        self._maker = SpanMaker(tracer)
        self._logger = logger
        self.counts = counts

    def start_call(self, attributes: Attributes, started_ns: int, context: Context | None) -> Span:
        """A model call, from now on."""
        operation, model = attributes[names.OPERATION], attributes.get(names.REQUEST_MODEL)
        name = f"{operation} {model}" if model else operation
        return self._maker.start(name, context, attributes, started_ns)

    def start_root(self, model: str | None, started_ns: int) -> Span:
        """A run that nobody announced."""
        attributes: Attributes = {names.OPERATION: "invoke_agent", names.INFERRED: True}
        if model is not None:
            attributes[names.REQUEST_MODEL] = sendable(model)
        return self._tracer.start_span("invoke_agent", None, SpanKind.INTERNAL, attributes, None, started_ns)

    def start_run(self, name: str | None, conversation_id: str | None, started_ns: int) -> Span:
        """A run that the program announced."""
        attributes: Attributes = {names.OPERATION: "invoke_agent"}
        if name:
            attributes[names.AGENT_NAME] = name
        if conversation_id:
            attributes[names.CONVERSATION_ID] = conversation_id
        span_name = f"invoke_agent {name}" if name else "invoke_agent"
        return self._tracer.start_span(span_name, None, SpanKind.INTERNAL, attributes, None, started_ns)

    def start_tool(self, name: str, context: Context, started_ns: int) -> Span:
        """A tool that the program announced."""
        attributes = _tool_attributes(name, None)
        return self._tracer.start_span(f"execute_tool {name}", context, SpanKind.INTERNAL, attributes, None, started_ns)

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
        if self.on_spans:
            messages = [{"role": "assistant", "parts": [thought.part()]}]
            self._add_json(attributes, names.OUTPUT_MESSAGES, messages)
        self._maker.finished("reasoning", context, attributes, interval.started_ns, interval.ended_ns)

    def inferred_tool(self, result: ToolResult, context: Context, agent: str | None, ended_ns: int) -> None:
        """A tool call that the program made between two requests."""
        call, asked, content = result
        name = sendable(asked.name)
        attributes = _tool_attributes(name, agent)
        attributes[names.INFERRED] = True
        self.describe_tool(attributes, call.session, call, asked)
        if self.on_spans:
            self._add_text(attributes, names.TOOL_CALL_RESULT, content)
        started_ns = min(call.asked_ns, ended_ns)
        self._maker.finished(f"execute_tool {name}", context, attributes, started_ns, ended_ns)

    def describe_tool(
        self, attributes: Attributes, session: Session, call: Call | None, asked: AskedCall | None
    ) -> None:
        """Add where a tool call stands in its session and, where the model asked for it, how."""
        attributes[names.SESSION_ID] = session.id
        attributes[names.STEP] = session.next_step()
        if session.conversation_id is not None:
            attributes[names.CONVERSATION_ID] = session.conversation_id
        if call is None or asked is None:
            return
        attributes[names.TOOL_CALL_ID] = sendable(asked.id)
        if call.description:
            attributes[names.TOOL_DESCRIPTION] = sendable(call.description)
        if self.on_spans:
            self._add_arguments(attributes, asked.arguments)

    def tool_content(self, key: str, value: Any) -> Attributes:
        """Arguments or result of a tool, if content is asked for."""
        attributes: Attributes = {}
        if self.on_spans and value is not None:
            self._add_text(attributes, key, value)
        return attributes

    def call_content(self, content: Mapping[str, Any], tools: Any, sent: Sent) -> Attributes:
        """The content of a model call as attributes, without what the span before it carried."""
        texts: Attributes = {}
        left = self.mode.span_limit
        for key, value in content.items():
            self._add_json(texts, key, value, left)
            left = max(left - len(texts.get(key, "")), 2)
        if tools and isinstance(tools, list | tuple):
            self._add_definitions(texts, tools, left)
        if self.mode.history_limit is not None:
            omitted = tuple([key for key in _REPEATED if key in texts and sent.repeats(key, texts[key])])
            for key in omitted:
                del texts[key]
            if omitted:
                texts[names.OMITTED] = omitted
        return texts

    def close_call(
        self, span: Span, attributes: Attributes, content: Attributes, context: Context, ended_ns: int
    ) -> None:
        """End a model call's span with its content, and emit its event."""
        if self.on_events:
            structures: Attributes = {key: orjson.loads(content[key]) for key in _MESSAGES if key in content}
            self._logger.emit(
                timestamp=ended_ns,
                context=context,
                severity_number=SeverityNumber.DEBUG,
                event_name=names.INFERENCE_EVENT,
                attributes={**attributes, **content, **structures},
            )
        if self.on_spans:
            attributes.update(content)
        set_clean(span, attributes)
        self.counts.end_span(span, ended_ns)

    def fail(self, span: Span, error: BaseException) -> None:
        """Note an error. Its text may quote content, so it is there only where content is."""
        span.set_attribute(names.ERROR_TYPE, type(error).__qualname__)
        description: Attributes = {}
        if self.on_spans:
            self._add_text(description, "message", text_of(error)[:500])
        span.set_status(Status(StatusCode.ERROR, description.get("message")))

    def emit_error(self, error: BaseException, context: Context, at_ns: int) -> None:
        """Emit the event of a call that failed, where events are asked for."""
        if not self.on_events:
            return
        attributes: Attributes = {names.EXCEPTION_TYPE: f"{type(error).__module__}.{type(error).__qualname__}"}
        self._add_text(attributes, names.EXCEPTION_MESSAGE, text_of(error))
        self._add_text(attributes, names.EXCEPTION_STACKTRACE, "".join(traceback.format_exception(error)))
        attributes.pop(names.TRUNCATED, None)
        self._logger.emit(
            timestamp=at_ns,
            context=context,
            severity_number=SeverityNumber.WARN,
            event_name=names.EXCEPTION_EVENT,
            attributes=attributes,
        )

    def mark_failed(self, span: Span) -> None:
        """Give a span the status of a failure, where it has none with a description yet."""
        if getattr(getattr(span, "status", None), "status_code", None) != StatusCode.ERROR:
            span.set_status(Status(StatusCode.ERROR))

    def _add_json(self, attributes: Attributes, key: str, value: Any, limit: int = DEFAULT_LIMIT) -> None:
        kept = value if self._keeps_all else self._allowed(key, value)
        if kept is None:
            return
        text = json_text(kept)
        if len(text) > limit or len(text) > self._text_limit:
            text, cut = fitting(kept, min(limit, self.mode.limit), self.mode.part_limit)
            if cut:
                self._note_cut(attributes)
        attributes[key] = text

    def _add_definitions(self, attributes: Attributes, tools: Sequence[Any], limit: int) -> None:
        """The tools of a request. Agents bring the same ones each time: the text of the last few is kept."""
        given = json_text(tools) if self._keeps_all else ""
        for known, text in self._known_tools:
            if known == given and len(text) <= limit:
                attributes[names.TOOL_DEFINITIONS] = text
                return
        self._add_json(attributes, names.TOOL_DEFINITIONS, tool_definitions(tools), limit)
        if 0 < len(given) <= _TOOLS_LIMIT and names.TRUNCATED not in attributes:
            self._known_tools = ((given, attributes[names.TOOL_DEFINITIONS]), *self._known_tools)[:_TOOLS_KEPT]

    @guarded
    def _allowed(self, key: str, value: Any) -> Any:
        """What the user's policy lets through; nothing where it fails."""
        return self.mode.policy(key, value)

    def _add_arguments(self, attributes: Attributes, written: str) -> None:
        """Arguments as the model wrote them; too long ones cut inside of their JSON."""
        if len(written) <= self._text_limit and self._keeps_all:
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
        text = sendable(str(kept))
        if len(text) > self._text_limit:
            text = cut_text(text, self._text_limit)[0]
            self._note_cut(attributes)
        attributes[key] = text

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
