"""What came back of a model call -> the rest of its span, its reasoning, and what the next request is known by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import Span

from spanwarden import names
from spanwarden.apis import FETCH_RESPONSE, Api, Reply
from spanwarden.encode import decoded_body, sendable
from spanwarden.gathering import Interval, Times
from spanwarden.guard import Attachment, Counts, guarded, recording
from spanwarden.heard import Conversation
from spanwarden.history import unrecorded
from spanwarden.messages import Choice
from spanwarden.metrics import INFERENCES, Metrics
from spanwarden.request import request_attributes
from spanwarden.roots import OpenRoots, Turn
from spanwarden.runs import Run
from spanwarden.session import Session
from spanwarden.sessions import Sessions
from spanwarden.spans import Attributes, Spans
from spanwarden.streams import Ending
from spanwarden.unsampled import UnsampledRuns


class HttpSeen(NamedTuple):
    """The HTTP response to a call, where the client shows it, and how often it had to be sent again."""

    response: Any = None
    retries: int = 0


_NOT_SEEN: Final = HttpSeen()
_FETCHES: Final = FETCH_RESPONSE.operation


@dataclass(slots=True, eq=False)
class ModelCall:
    """A model call on its way.

    `context` is where its reasoning belongs. `span` is `None` where another instrumentation has made one. `turn` is
    the inferred run it is in, `run` the announced one. `start` are the attributes that the span began with.
    """

    api: Api
    started_ns: int
    context: Context
    session: Session
    conversation: Conversation
    arguments: Mapping[str, Any]
    span: Span | None
    run: Run | None
    turn: Turn | None = None
    start: Attributes = field(default_factory=dict)
    step: int = 0
    attachment: Attachment | None = None
    http: HttpSeen = _NOT_SEEN
    first_ns: int | None = None
    chunk_gaps_ns: Sequence[int] = ()


class Answers:
    """Closes model calls. No public method raises."""

    def __init__(
        self,
        spans: Spans,
        sessions: Sessions,
        roots: OpenRoots,
        unsampled: UnsampledRuns,
        metrics: Metrics,
        counts: Counts,
    ) -> None:
        self.counts = counts
        self._spans = spans
        self._sessions = sessions
        self._roots = roots
        self._unsampled = unsampled
        self._metrics = metrics

    @recording
    def answered(self, call: ModelCall, answer: Any, ended_ns: int) -> None:
        """Close a call with a whole answer."""
        self._close(call, self._read(call, lambda: answer), ended_ns)

    def _read(self, call: ModelCall, answer: Callable[[], Any], broken_off: bool = False) -> Reply:
        """Read an answer; of one that cannot be read, the call itself is recorded."""
        try:
            return call.api.read(answer(), self._spans.mode.reading, broken_off)
        except Exception as error:  # noqa: BLE001 - whatever the answer is, the program gets it
            self.counts.note_fault("Answers.read", error)
            return Reply({}, [])

    @recording
    def streamed(self, call: ModelCall, ending: Ending) -> None:
        """Close a call with what came of a stream."""
        gathering = ending.gathering
        reply = self._read(call, gathering.answer, ending.broken_off)
        if gathering.cut:
            reply.attributes[names.TRUNCATED] = True
            self.counts.contents_truncated += 1
        if gathering.error_type is not None:
            reply = reply._replace(error_type=sendable(gathering.error_type))
        if call.span is not None and ending.error is not None:
            self._spans.fail(call.span, ending.error)
            self._spans.emit_error(ending.error, call.context, ending.ended_ns)
            reply = reply._replace(error_type=type(ending.error).__qualname__)
        self._close(call, reply, ending.ended_ns, gathering.times, broken_off=ending.broken_off)

    @recording
    def failed(self, call: ModelCall, error: BaseException, ended_ns: int) -> None:
        """Close a call that raised. What the client could not use of an answer is recorded all the same."""
        if call.span is not None:
            self._spans.fail(call.span, error)
            self._spans.emit_error(error, call.context, ended_ns)
        reply = self._refused(call) or Reply({}, [])
        reply.attributes.update(_of_error(error))
        self._close(call, reply._replace(error_type=type(error).__qualname__), ended_ns)

    @guarded
    def _refused(self, call: ModelCall) -> Reply | None:
        """The answer that came although the call raised: text that is no JSON of the wanted form, say."""
        response = call.http.response
        if response is None or not getattr(response, "is_stream_consumed", False):
            return None
        try:
            body = decoded_body(response.content)
        except ValueError:  # no JSON: what the client raised says all
            return None
        return self._read(call, lambda: body)

    def _close(
        self, call: ModelCall, reply: Reply, ended_ns: int, times: Times | None = None, *, broken_off: bool = False
    ) -> None:
        if reply.conversation_id:
            self._sessions.name(reply.conversation_id, call.session)
        is_new = self._is_new(call, reply, broken_off=broken_off)
        wants_tools = False
        if is_new:
            wants_tools = self._remember(call, reply, ended_ns)
            self._record_reasoning(call, reply, times or {}, ended_ns)
        _sum_up(call, reply, is_new=is_new)
        if call.span is not None:
            self._close_span(call, call.span, reply, ended_ns)
        if call.turn is None:
            return
        if reply.error_type is not None and not reply.choices:
            self._fail_turn(call, call.turn, reply.error_type, ended_ns)
        else:
            open_end = wants_tools or not is_new or (broken_off and not reply.choices)
            self._note_turn(call.turn, is_open=open_end, ended_ns=ended_ns, error_type=reply.error_type)

    def _is_new(self, call: ModelCall, reply: Reply, *, broken_off: bool) -> bool:
        """Whether this answer has not been read before: one that is fetched may come many times."""
        if not reply.response_id:
            return True
        unread = self._sessions.responded(call.session, reply.response_id, complete=reply.complete)
        is_new = unread or call.api.operation != _FETCHES  # some servers give all answers one id
        return is_new and (reply.complete or broken_off)

    def _remember(self, call: ModelCall, reply: Reply, ended_ns: int) -> bool:
        """Make the answer known for the next request; true if it asks for tools."""
        wants_tools = False
        for choice in reply.choices:
            if choice.calls:
                wants_tools = True
                self._unsampled.forget(choice.calls)
                tools = call.arguments.get("tools")
                if self._sessions.asked(call.session, choice.calls, ended_ns, tools):
                    continue
            # In words, or the older `function_call`, which has no id.
            self._sessions.answered(call.session, choice.content, call.conversation.last_content())
        return wants_tools

    def _record_reasoning(self, call: ModelCall, reply: Reply, times: Times, ended_ns: int) -> None:
        for choice in reply.choices:
            for thought in choice.thoughts:
                seen = times.get(thought.source)
                interval = seen or Interval(call.started_ns, ended_ns)
                try:
                    self._spans.reasoning(call.session, thought, call.context, interval, inferred=seen is None)
                except Exception as error:  # noqa: BLE001 - a sampler's or processor's; the rest is recorded
                    self.counts.note_fault("Spans.reasoning", error)

    def _close_span(self, call: ModelCall, span: Span, reply: Reply, ended_ns: int) -> None:
        attributes = {**reply.attributes, **request_attributes(call.arguments), **_of_transport(call)}
        if call.api.operation == _FETCHES:
            attributes = _without_usage(attributes)
        attributes[names.SESSION_ID] = call.session.id
        if names.CONVERSATION_ID in attributes or call.session.conversation_id is not None:
            self._note_conversation(call, attributes)
        if call.step:
            attributes[names.STEP] = call.step
        if call.api.api_type is not None:
            attributes[names.API_TYPE] = call.api.api_type
        if reply.error_type is not None:
            attributes[names.ERROR_TYPE] = reply.error_type
            self._spans.mark_failed(span)
        captures = self._spans.on_spans or self._spans.on_events
        content = (self._content(call, reply.choices, attributes) if captures else None) or {}
        if self._spans.on_events:
            attributes = {**call.start, **attributes}
        self._spans.close_call(span, attributes, content, call.context, ended_ns)
        self._metrics.call(call.start, attributes, ended_ns - call.started_ns, call.chunk_gaps_ns)

    def _note_conversation(self, call: ModelCall, attributes: Attributes) -> None:
        """Take the provider's name of a conversation over to the session, whose spans all carry it."""
        told, session = attributes.get(names.CONVERSATION_ID), call.session
        if told is None:
            attributes[names.CONVERSATION_ID] = session.conversation_id
        elif told != session.conversation_id:
            session.conversation_id = told
            for run in (call.run.span if call.run is not None else None, call.turn.root if call.turn else None):
                if run is not None:
                    run.set_attribute(names.CONVERSATION_ID, told)

    @guarded
    def _content(self, call: ModelCall, choices: list[Choice], attributes: Attributes) -> Attributes:
        """The content of a span, without what an earlier span of the session carries."""
        mode, sent = self._spans.mode, call.session.sent
        messages, omitted = unrecorded(sent, call.conversation.messages, mode.history_limit)
        if omitted:
            attributes[names.OMITTED_MESSAGES] = omitted
        content = {names.OUTPUT_MESSAGES: [choice.message() for choice in choices]} if choices else {}
        content.update(call.api.content(messages, call.arguments, mode.reading))
        return self._spans.call_content(content, call.arguments.get("tools"), sent)

    def _note_turn(self, turn: Turn, *, is_open: bool, ended_ns: int, error_type: str | None) -> None:
        turn.touch(ended_ns)
        turn.error_type = error_type
        if not is_open:
            turn.finished = True
            self._roots.close(turn)

    def _fail_turn(self, call: ModelCall, turn: Turn, error_type: str, ended_ns: int) -> None:
        """Keep the run open for a program that tries again: it brings the same messages.

        The first call of a session brings nothing to be known by, so a run that failed there is over.
        """
        turn.error_type = error_type
        turn.touch(ended_ns)
        if not call.conversation.has_answers():
            turn.finished = True
            self._roots.close(turn)


def _sum_up(call: ModelCall, reply: Reply, *, is_new: bool) -> None:
    """Add a call to the run that it is in; what was read before counts once."""
    for run in (call.run, call.turn):
        if run is not None:
            run.totals.inference_calls += call.api.operation in INFERENCES
            if is_new:
                run.totals.add(reply.attributes)


def _without_usage(attributes: Attributes) -> Attributes:
    """Tokens are counted where they were used up, and not where the answer is fetched."""
    return {key: value for key, value in attributes.items() if not key.startswith("gen_ai.usage.")}


def _of_transport(call: ModelCall) -> Attributes:
    """What the way over the network tells: retries, the request's id, how long the first chunk took."""
    attributes: Attributes = {}
    if call.http.retries:
        attributes[names.RESEND_COUNT] = call.http.retries
    request_id = call.http.response.headers.get("x-request-id") if call.http.response is not None else None
    if request_id:
        attributes[names.REQUEST_ID] = (sendable(request_id),)
    if call.first_ns is not None and call.arguments.get("stream"):
        attributes[names.TIME_TO_FIRST_CHUNK] = max(call.first_ns - call.started_ns, 0) / 1e9
    return attributes


def _of_error(error: BaseException) -> Attributes:
    """What an error of the client tells of the way over the network."""
    attributes: Attributes = {}
    request_id = getattr(error, "request_id", None)
    if isinstance(request_id, str):
        attributes[names.REQUEST_ID] = (sendable(request_id),)
    headers = getattr(getattr(error, "request", None), "headers", None)
    sent_again = headers.get("x-stainless-retry-count") if headers is not None else None
    if sent_again and sent_again.isdecimal() and int(sent_again):
        attributes[names.RESEND_COUNT] = int(sent_again)
    return attributes
