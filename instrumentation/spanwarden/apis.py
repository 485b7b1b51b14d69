"""The APIs of the client that are recorded: how the request and the answer of each are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from spanwarden import names
from spanwarden.encode import fields_of, id_in, items_in, sendable, word_in
from spanwarden.gathering import ChatGathering, Gathering
from spanwarden.heard import Conversation, chat_conversation
from spanwarden.messages import Choice, Reading, choice_of, input_messages
from spanwarden.request import response_attributes
from spanwarden.response_gathering import ResponseGathering
from spanwarden.responses import item_messages, items_of, response_choice, response_conversation

Content = dict[str, Any]


class Reply(NamedTuple):
    """An answer as it was read.

    `response_id` is set where later requests may name it; `complete` is false while the provider still works on it;
    `conversation_id` is the provider's name of the conversation where only the answer tells it.
    """

    attributes: dict[str, Any]
    choices: list[Choice]
    response_id: str = ""
    complete: bool = True
    error_type: str | None = None
    conversation_id: str = ""


class Api(NamedTuple):
    """One kind of request.

    `messages` takes what is said out of the arguments; `hear` reads it; `content` puts it in the form of the
    conventions, the tools aside; `read` reads an answer, given as mapping or model (the flag: it broke off); `gather`
    collects chunks; `call_ids` takes only the ids of tool calls out of an answer. `in_run` says when a request is part
    of a run: where it has to do with tools, where its session's run is open besides, or always.
    """

    operation: str
    api_type: str | None
    messages: Callable[[Mapping[str, Any]], Sequence[Any]]
    hear: Callable[[Mapping[str, Any], Sequence[Any]], Conversation]
    content: Callable[[Sequence[Any], Mapping[str, Any], Reading], Content]
    read: Callable[[Any, Reading, bool], Reply]
    gather: Callable[[], Gathering]
    call_ids: Callable[[Any], list[str]]
    in_run: Literal["tools", "open", "always"] = "tools"


def _chat_messages(arguments: Mapping[str, Any]) -> Sequence[Any]:
    given = arguments.get("messages")
    return given if isinstance(given, list | tuple) else ()


def _chat_content(messages: Sequence[Any], _arguments: Mapping[str, Any], reading: Reading) -> Content:
    return {names.INPUT_MESSAGES: input_messages(messages, reading)}


def _read_chat(answer: Any, reading: Reading, broken_off: bool) -> Reply:
    fields = fields_of(answer)
    attributes = response_attributes(fields)
    choices: list[Choice] = []
    for source, item in enumerate(items_in(fields.get("choices"))):
        choice = choice_of(item, source, reading, broken_off=broken_off)
        choices.append(choice)
    _add_reasons(attributes, choices, broken_off)
    return Reply(attributes, choices)


def _add_reasons(attributes: dict[str, Any], choices: list[Choice], broken_off: bool) -> None:
    """Say of each choice why it ended; `error` stands for a reason that was to come and did not."""
    missing = "error" if broken_off else ""
    reasons = tuple([sendable(choice.finish_reason or missing) for choice in choices])
    if reasons and "" not in reasons:
        attributes[names.RESPONSE_FINISH_REASONS] = reasons


def _prompt(arguments: Mapping[str, Any]) -> Sequence[Any]:
    given = arguments.get("prompt")
    prompts = (
        given if isinstance(given, list | tuple) and not all(isinstance(token, int) for token in given) else [given]
    )
    return [{"role": "user", "content": prompt} for prompt in prompts if prompt is not None]


def _read_completion(answer: Any, reading: Reading, broken_off: bool) -> Reply:
    fields = dict(fields_of(answer))
    if not broken_off or any("text" in fields_of(choice) for choice in items_in(fields.get("choices"))):
        fields["choices"] = [
            {**choice, "message": choice.get("message") or {"role": "assistant", "content": choice.get("text")}}
            for choice in map(fields_of, items_in(fields.get("choices")))
        ]
    return _read_chat(fields, reading, broken_off)


def _response_content(items: Sequence[Any], arguments: Mapping[str, Any], reading: Reading) -> Content:
    content: Content = {}
    instructions = arguments.get("instructions")
    if isinstance(instructions, str):
        content[names.SYSTEM_INSTRUCTIONS] = [{"type": "text", "content": instructions}]
    content[names.INPUT_MESSAGES] = item_messages(items, reading)
    return content


def read_response(answer: Any, reading: Reading, broken_off: bool) -> Reply:
    fields = fields_of(answer)
    items = [fields_of(item) for item in items_in(fields.get("output"))]
    choice = response_choice(fields, items, reading)
    choices = [choice] if choice is not None else []
    attributes = response_attributes(fields)
    _add_reasons(attributes, choices, broken_off)
    response_id = fields.get("id")
    status = fields.get("status")
    conversation_id = id_in(fields.get("conversation_id") or fields.get("conversation"))
    if conversation_id:
        attributes[names.CONVERSATION_ID] = sendable(conversation_id)
    if "compaction" in [item.get("type") for item in items]:
        attributes[names.CONVERSATION_COMPACTED] = True
    return Reply(
        attributes,
        choices,
        response_id if isinstance(response_id, str) else "",
        status not in ("queued", "in_progress"),
        sendable(str(fields_of(fields.get("error")).get("code") or "failed")) if status == "failed" else None,
    )


def _read_fetched(answer: Any, reading: Reading, broken_off: bool) -> Reply:
    reply = read_response(answer, reading, broken_off)
    status = fields_of(answer).get("status")
    if isinstance(status, str):
        reply.attributes[names.RESPONSE_STATUS] = sendable(status)
    return reply


def _fetched_conversation(arguments: Mapping[str, Any], messages: Sequence[Any]) -> Conversation:
    response_id = arguments.get("response_id")
    return response_conversation({"previous_response_id": response_id}, messages)


def _live_conversation(arguments: Mapping[str, Any], messages: Sequence[Any]) -> Conversation:
    """A conversation that goes on over one connection, by whose name it is known."""
    return response_conversation({"conversation": arguments["connection"]}, messages)


def _nothing(_arguments: Mapping[str, Any]) -> Sequence[Any]:
    return ()


def _no_content(_messages: Sequence[Any], _arguments: Mapping[str, Any], _reading: Reading) -> Content:
    return {}


def _read_embeddings(answer: Any, _reading: Reading, _broken_off: bool) -> Reply:
    fields = fields_of(answer)
    attributes = response_attributes({"model": fields.get("model"), "usage": fields.get("usage")})
    data = fields.get("data")
    first = fields_of(data[0]).get("embedding") if isinstance(data, list) and data else None
    if isinstance(first, list):
        attributes[names.EMBEDDING_DIMENSIONS] = len(first)
    return Reply(attributes, [])


def _chat_call_ids(answer: Any) -> list[str]:
    messages = [fields_of(fields_of(choice).get("message")) for choice in items_in(fields_of(answer).get("choices"))]
    return [word_in(fields_of(call).get("id")) for message in messages for call in items_in(message.get("tool_calls"))]


def _response_call_ids(answer: Any) -> list[str]:
    items = [fields_of(item) for item in items_in(fields_of(answer).get("output"))]
    return [call_id for item in items if (call_id := word_in(item.get("call_id")))]


def _no_call_ids(_answer: Any) -> list[str]:
    return []


CHAT: Final = Api(
    operation="chat",
    api_type="chat_completions",
    messages=_chat_messages,
    hear=chat_conversation,
    content=_chat_content,
    read=_read_chat,
    gather=ChatGathering,
    call_ids=_chat_call_ids,
)
RESPONSES: Final = Api(
    operation="chat",
    api_type="responses",
    messages=items_of,
    hear=response_conversation,
    content=_response_content,
    read=read_response,
    gather=ResponseGathering,
    call_ids=_response_call_ids,
)
REALTIME: Final = RESPONSES._replace(api_type="realtime", hear=_live_conversation)
FETCH_RESPONSE: Final = RESPONSES._replace(
    operation="fetch_response",
    messages=_nothing,
    hear=_fetched_conversation,
    content=_no_content,
    read=_read_fetched,
    in_run="open",
)
TEXT_COMPLETION: Final = CHAT._replace(
    operation="text_completion",
    api_type=None,
    messages=_prompt,
    read=_read_completion,
    call_ids=_no_call_ids,
)
EMBEDDINGS: Final = TEXT_COMPLETION._replace(
    operation="embeddings",
    messages=_nothing,
    content=_no_content,
    read=_read_embeddings,
)
