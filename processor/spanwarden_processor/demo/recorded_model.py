"""A local OpenAI-compatible server that plays recorded turns: the answers are a recording, everything else is real.

The API key of a request names the recording, so a client needs nothing but its usual variables. Which turn
comes next is counted in the conversation that the request carries; the server keeps no state.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from spanwarden_processor.demo.local_server import LocalServer, answer_with, read_body
from spanwarden_processor.demo.script import Turn, fill

MODEL_NAME = "recorded"
CHARACTERS_PER_TOKEN = 4
"""For the usage that every answer states: a recording has no tokenizer."""


class Recording(NamedTuple):
    """The turns of one session and the values of its placeholders."""

    turns: Sequence[Turn]
    values: Mapping[str, str]


class RecordingMismatch(Exception):
    """The conversation is not one that this recording can go on with."""


def recorded_model(recordings: Mapping[str, Recording]) -> LocalServer:
    """A server for `POST /v1/chat/completions`; `recordings` by API key."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = read_body(self)
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if self.path != "/v1/chat/completions" or key not in recordings:
                return answer_with(self, 404, _error(f"no recording for {self.path} with this key"))
            try:
                completion = play(recordings[key], json.loads(body)["messages"])
            except (RecordingMismatch, ValueError, KeyError, TypeError) as error:
                # 422: a client tries again after most other codes, and a recording would say the same.
                return answer_with(self, 422, _error(f"{type(error).__name__}: {error}"))
            return answer_with(self, 200, json.dumps(completion), "application/json")

        def log_message(self, *_: Any) -> None:
            """Say nothing: the agents' output is the demo's."""

    return LocalServer(Handler)


def play(recording: Recording, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The recorded answer to a conversation, as a chat completion.

    Raises:
        RecordingMismatch: the recording is over, or the tools did not do what they did when it was made.
    """
    answered = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    number = len(answered)
    if number >= len(recording.turns):
        raise RecordingMismatch(f"the recording has {len(recording.turns)} turns and all have been played")
    values = dict(recording.values)
    for turn, index in zip(recording.turns, [*answered, len(messages)], strict=False):
        values.update(_found(turn, messages[index - 1]))
    return _completion(recording.turns[number], values, messages)


def _found(turn: Turn, before: Mapping[str, Any]) -> dict[str, str]:
    if turn.after is None:
        return {}
    match = re.search(turn.after, str(before.get("content", "")), re.MULTILINE)
    if match is None:
        raise RecordingMismatch(
            f"expected {turn.after!r} in what the tool returned, not: {before.get('content')!s:.300}"
        )
    return match.groupdict()


def _completion(turn: Turn, values: Mapping[str, str], messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": fill(turn.text, values) if turn.text else None}
    if turn.reasoning:
        message["reasoning_content"] = fill(turn.reasoning, values)
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{secrets.token_hex(12)}",
                "type": "function",
                "function": {
                    "name": call.tool,
                    "arguments": json.dumps({name: fill(value, values) for name, value in call.arguments.items()}),
                },
            }
            for call in turn.calls
        ]
    reason = "tool_calls" if turn.calls else "stop"
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL_NAME,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": _usage(messages, message),
    }


def _usage(messages: Sequence[Mapping[str, Any]], message: Mapping[str, Any]) -> dict[str, int]:
    prompt = len(json.dumps(list(messages))) // CHARACTERS_PER_TOKEN
    completion = len(json.dumps(message)) // CHARACTERS_PER_TOKEN
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _error(message: str) -> str:
    return json.dumps({"error": {"message": message, "type": "recorded_model"}})
