"""The Assistants API, as compatible servers still have it: its runs and messages, read as answers of Responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from spanwarden import names
from spanwarden.apis import FETCH_RESPONSE, RESPONSES, Reply, read_response
from spanwarden.encode import fields_of, items_in, sendable
from spanwarden.gathering import CHARACTERS_LIMIT, Texts, Times
from spanwarden.heard import Conversation
from spanwarden.messages import Reading
from spanwarden.responses import response_conversation

_STATUSES: Final[Mapping[str, str]] = {
    "queued": "in_progress",
    "in_progress": "in_progress",
    "cancelling": "in_progress",
    "requires_action": "completed",
    "completed": "completed",
    "incomplete": "incomplete",
    "cancelled": "cancelled",
    "failed": "failed",
    "expired": "failed",
}
"""The status of a run, and that of the response that it would be."""


def _items(arguments: Mapping[str, Any]) -> Sequence[Any]:
    """What a request adds to its thread: messages, those that were put there before it too, and results of tools."""
    thread = fields_of(arguments.get("thread"))
    lists = (arguments.get("before"), thread.get("messages"), arguments.get("additional_messages"))
    said = [message for messages in lists if isinstance(messages, list | tuple) for message in messages]
    outputs = arguments.get("tool_outputs")
    results = [
        {"type": "function_call_output", "call_id": output.get("tool_call_id"), "output": output.get("output")}
        for output in map(fields_of, outputs if isinstance(outputs, list | tuple) else ())
    ]
    return [*said, *results]


def _hear(arguments: Mapping[str, Any], items: Sequence[Any]) -> Conversation:
    return response_conversation({"conversation": arguments.get("thread_id")}, items)


def _read_run(answer: Any, reading: Reading, broken_off: bool) -> Reply:
    """A run: it asks for tools, goes on, or is over. What it said stands in messages, which come by themselves."""
    run = fields_of(answer)
    calls = _calls_of(run)
    failed = fields_of(run.get("last_error")) or {"code": run.get("status")}
    details = fields_of(run.get("incomplete_details"))
    response = {
        **{key: run.get(key) for key in ("id", "model", "usage")},
        "status": _STATUSES.get(str(run.get("status"))),
        "output": [*map(_said, items_in(run.get("messages"))), *calls],
        "error": failed,
        "incomplete_details": details,
    }
    reply = read_response(response, reading, broken_off)
    for key, attribute in (("assistant_id", names.AGENT_ID), ("thread_id", names.CONVERSATION_ID)):
        if isinstance(run.get(key), str):
            reply.attributes[attribute] = sendable(run[key])
    # One run asks for tools and goes on, more than once: each time is an answer by itself.
    turn = f"{reply.response_id} {calls[0]['call_id']}" if calls else reply.response_id
    said = reply.choices if response["output"] else []
    return reply._replace(choices=said, response_id=turn, conversation_id=str(run.get("thread_id") or ""))


def _read_fetched_run(answer: Any, reading: Reading, broken_off: bool) -> Reply:
    reply = _read_run(answer, reading, broken_off)
    status = fields_of(answer).get("status")
    if isinstance(status, str):
        reply.attributes[names.RESPONSE_STATUS] = sendable(status)
    return reply


def _calls_of(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    asked = fields_of(fields_of(run.get("required_action")).get("submit_tool_outputs")).get("tool_calls")
    calls = [(fields_of(call), fields_of(fields_of(call).get("function"))) for call in items_in(asked)]
    return [{"type": "function_call", "call_id": call.get("id"), **function} for call, function in calls]


def _said(message: Any) -> dict[str, Any]:
    """A message of a thread as an item of a response."""
    fields = fields_of(message)
    content = [_part(fields_of(part)) for part in items_in(fields.get("content"))]
    return {"type": "message", "id": fields.get("id"), "role": fields.get("role"), "content": content}


def _part(part: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "text", "text": fields_of(part.get("text")).get("value")} if part.get("type") == "text" else part


def _read_messages(answer: Any, reading: Reading, broken_off: bool) -> Reply:
    """The newest messages of a thread; the answer is what the newest run said, newest first."""
    messages = [fields_of(message) for message in items_in(fields_of(answer).get("data"))]
    said = [message for message in messages if message.get("role") == "assistant"]
    newest = [message for message in said if message.get("run_id") == said[0].get("run_id")]
    if not newest:
        return Reply({}, [])
    output = [_said(message) for message in newest[::-1]]
    reply = read_response({"id": newest[0].get("run_id"), "status": "completed", "output": output}, reading, broken_off)
    reply.attributes[names.RESPONSE_STATUS] = "completed"
    return reply._replace(response_id=str(newest[0].get("id") or ""))


class RunGathering:
    """Events of one run: the run as it was last, and the messages that it wrote."""

    def __init__(self, limit: int = CHARACTERS_LIMIT) -> None:
        self.ended = False
        self.error_type: str | None = None
        self.times: Times = {}
        self._texts = Texts(limit)
        self._run: Mapping[str, Any] = {}
        self._messages: dict[str, Mapping[str, Any]] = {}

    @property
    def cut(self) -> bool:
        """Whether something had to be left out."""
        return self._texts.cut

    def add(self, event: Any) -> None:
        """Take in one event, with its name around it or without."""
        fields = fields_of(event)
        data = fields_of(fields.get("data")) or fields
        match data.get("object"):
            case "thread.run":
                self._run = data
                self.ended = _STATUSES.get(str(data.get("status"))) != "in_progress"
            case "thread.message":
                self._messages[str(data.get("id"))] = data
            case "thread.message.delta":
                for part in items_in(fields_of(data.get("delta")).get("content")):
                    self._texts.add(str(data.get("id")), fields_of(fields_of(part).get("text")).get("value"))
            case _ if fields.get("event") == "error":
                self.error_type = str(data.get("code") or "error")

    def answer(self) -> Mapping[str, Any]:
        """The run so far, with its messages."""
        return {**self._run, "messages": [self._message(message_id) for message_id in self._messages]}

    def _message(self, message_id: str) -> Mapping[str, Any]:
        message, text = self._messages[message_id], self._texts.text(message_id)
        if message.get("content") or text is None:
            return message
        return {**message, "content": [{"type": "text", "text": {"value": text}}]}


RUN: Final = RESPONSES._replace(
    api_type="assistants",
    in_run="always",
    messages=_items,
    hear=_hear,
    read=_read_run,
    gather=RunGathering,
    call_ids=lambda answer: [call["call_id"] for call in _calls_of(fields_of(answer))],
)
FETCH_RUN: Final = RUN._replace(operation=FETCH_RESPONSE.operation, read=_read_fetched_run, in_run="open")
FETCH_MESSAGES: Final = FETCH_RUN._replace(read=_read_messages, call_ids=lambda _answer: [])
