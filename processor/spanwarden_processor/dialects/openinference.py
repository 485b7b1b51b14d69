"""Spans as OpenInference writes them, messages spread over indexed attributes: span to reading.

Source: Arize-ai/openinference, spec/semantic_conventions.md; observed with openinference-instrumentation-openai 0.1.66,
-openai-agents 2.6.0 and -langchain 0.1.80. With OPENINFERENCE_ENABLE_GENAI_SEMCONV a span carries the GenAI
conventions too, without the reasoning: so this dialect is asked first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import orjson

from spanwarden_processor.json_care import is_redacted
from spanwarden_processor.openai_api import answered, asked, summarises
from spanwarden_processor.reading import Content, Dialect, Operation, Reading
from spanwarden_processor.types import ReasoningKind, Span

Tree: TypeAlias = dict[str, Any]
"""Attributes whose keys are paths, as nested mappings: a list is a mapping from indexes, which may have gaps."""

_OPERATIONS: Final[dict[str, Operation]] = {"LLM": "model", "TOOL": "tool", "AGENT": "agent", "CHAIN": "agent"}
_INPUT: Final = "llm.input_messages."
_OUTPUT: Final = "llm.output_messages."
_PATH_PARTS_MAX: Final = 8
_INDEX_DIGITS_MAX: Final = 9
_CALL_PARTS: Final = frozenset({"tool_use", "tool_call"})


def read(span: Span) -> Reading | None:
    """What the span says, or None where OpenInference did not write it."""
    value = span.attributes.get
    kind = value("openinference.span.kind")
    if not isinstance(kind, str):
        return None
    operation = _OPERATIONS.get(kind.upper(), "other")
    session = value("spanwarden.session.id") or value("session.id") or value("gen_ai.conversation.id")
    session = session if isinstance(session, str) else None
    if operation == "tool":
        return Reading("tool", _execution(span), session=session)
    if operation != "model":
        return Reading(operation, session=session)  # what it shows is what the spans below it show
    return _conversation(span, session)


def _conversation(span: Span, session: str | None) -> Reading | None:
    value = span.attributes.get
    response = _json(value("output.value"))
    own: Content = (
        answered(response) or _messages(_tree(span.attributes, _OUTPUT)) or _plain(value("output.value"), "assistant")
    )
    history: Content = _given(_messages(_tree(span.attributes, _INPUT)), value("input.value"))
    if own is None and history is None and "gen_ai.operation.name" in span.attributes:
        return None  # another one's span, marked by a bridge: its content stands where the conventions put it
    reasoning: ReasoningKind = "summary" if response is None or summarises(response) else "raw"
    return Reading("model", own, history, session=session, reasoning=reasoning)


def _given(messages: list[Tree], raw: Any) -> Content:
    """The history as JSON, of which only what is new is read later on; the raw request where it was not spread."""
    if not messages:
        # A prompt in one text may hold what tools returned: its author is not known.
        return asked(_json(raw)) or _plain(raw, "unknown")
    try:
        return orjson.dumps(messages).decode()
    except TypeError:  # bytes, which no sender of messages writes
        return messages


def _execution(span: Span) -> Content:
    value = span.attributes.get
    written, output = value("input.value"), value("output.value")
    arguments = value("tool_call.function.arguments") if written is None else written
    if arguments is None and output is None:
        return None
    told_id, result = _returned(output)
    call_id = value("tool.id") or value("tool_call.id") or told_id
    call = {
        "type": "tool_call",
        "id": call_id,
        "name": value("tool.name") or value("tool_call.function.name") or span.name,
        "arguments": arguments,
        # LangChain shows the one argument of a tool bare: the model's answer has the call whole, under the same id.
        "partial": told_id is not None and not isinstance(_json(arguments), dict),
    }
    messages = [{"role": "assistant", "parts": [call]}]
    if output is not None:
        response = {"type": "tool_call_response", "id": call_id, "response": result}
        messages.append({"role": "tool", "parts": [response]})
    return messages


def _returned(output: Any) -> tuple[str | None, Any]:
    """The id of the call that is answered, and the answer: LangChain writes both as one message."""
    message = _json(output) if isinstance(output, str) and '"tool_call_id"' in output else None
    if not isinstance(message, dict):
        return None, output
    inner = next((message[key] for key in ("data", "kwargs") if isinstance(message.get(key), dict)), message)
    call_id = inner.get("tool_call_id")
    return (call_id, inner["content"]) if isinstance(call_id, str) and "content" in inner else (None, output)


def _tree(attributes: Mapping[str, Any], prefix: str) -> Tree:
    """The messages of the list whose keys begin like that, by their indexes."""
    tree: Tree = {}
    value = attributes.get
    for key in attributes:
        if key.startswith(prefix):
            index, _, path = key[len(prefix) :].partition(".message.")
            message = tree.setdefault(index, {})
            if "." in path:
                _plant(message, path.split(".", _PATH_PARTS_MAX), value(key))
            else:
                message.setdefault(path, value(key))
    return tree


def _plant(tree: Tree, path: list[str], value: Any) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            return  # a value where others have a list: no sender writes both
    tree.setdefault(path[-1], value)


def _listed(tree: Any) -> list[Tree]:
    """The items of a list, in the order of their indexes."""
    if not isinstance(tree, dict):
        return []
    indexes = sorted((key for key in tree if key.isdecimal() and len(key) <= _INDEX_DIGITS_MAX), key=int)
    return [tree[index] for index in indexes if isinstance(tree[index], dict)]


def _messages(tree: Tree) -> list[Tree]:
    # The role comes first: where an array is too long to be read whole, that is how its messages are told.
    return [{"role": message.get("role"), "parts": _parts(message)} for message in _listed(tree)]


def _parts(message: Tree) -> list[Tree]:
    said = [_content(each) for each in _listed(message.get("contents"))]
    if isinstance(text := message.get("content"), str):
        said.append({"type": "text", "content": text})
    if message.get("role") in ("tool", "function"):
        texts = "\n".join(str(each.get("content") or "") for each in said)
        return [{"type": "tool_call_response", "id": message.get("tool_call_id"), "response": texts}]
    calls = [_call(each) for each in _listed(message.get("tool_calls"))]
    if name := message.get("function_call_name"):
        arguments = message.get("function_call_arguments_json")
        calls.append({"type": "tool_call", "id": None, "name": name, "arguments": arguments})
    return [*said, *calls]


def _content(item: Tree) -> Tree:
    content = item.get("message_content")
    content = content if isinstance(content, dict) else {}
    kind = content.get("type")
    if kind in _CALL_PARTS:
        return _call(item)
    return {"type": kind if isinstance(kind, str) else "text", "content": content.get("text") or _transcript(content)}


def _transcript(content: Tree) -> str:
    audio = content.get("audio")
    inner = audio.get("audio") if isinstance(audio, dict) else None
    return str(inner.get("transcript") or "") if isinstance(inner, dict) else ""


def _call(item: Tree) -> Tree:
    call = item.get("tool_call")
    call = call if isinstance(call, dict) else {}
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    return {
        "type": "tool_call",
        "id": call.get("id"),
        "name": function.get("name"),
        "arguments": function.get("arguments"),
    }


def _plain(value: Any, role: str) -> Content:
    """Text as one message; a mark that its sender put in place of it as it is."""
    if value is None or (isinstance(value, str) and (not value or is_redacted(value))):
        return value or None
    return [{"role": role, "parts": [{"type": "text", "content": value}]}]


def _json(value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return None
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


OPENINFERENCE: Final = Dialect("openinference", (b"openinference.span.kind",), read)
