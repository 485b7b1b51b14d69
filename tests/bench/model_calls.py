"""The model calls that the instrumentation is measured with: requests, and answers that are already parsed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from openai import Stream
from openai.resources.chat.completions import AsyncCompletions, Completions
from openai.resources.responses.responses import AsyncResponses, Responses
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

CHUNKS = 200
_REASONING = "The build stops in the type check, so I look at the newest change first. " * 9
_SYSTEM = "You are a careful engineer. " * 16
_TASK = "Find out why the nightly build fails, and repair it. " * 6
_RESULTS = ("src/main.py:10: undefined name\n" * 20, "3 failed, 17 passed in 4.20s\n" * 20)
_ARGUMENTS = [
    json.dumps({"command": f"cd project && make target-{number} && tail -n 40 build.log"}) for number in (1, 2)
]
_PARAMETERS = {"type": "object", "properties": {"command": {"type": "string"}}}
_DESCRIPTION = "Run it in the project's directory and return what it prints. " * 2


class Case(NamedTuple):
    """A call: the classes whose `create` it is, its arguments, and what makes its answer.

    `reads` iterates over a streamed answer; `units` is what one call is counted as.
    """

    name: str
    owner: type
    async_owner: type
    request: Mapping[str, Any]
    answer: Callable[[], Any]
    reads: bool = False
    units: int = 1


def chat_case() -> Case:
    """A chat call with two results, answered by reasoning and two calls."""
    functions = [{"name": name, "description": _DESCRIPTION, "parameters": _PARAMETERS} for name in ("bash", "python")]
    request = {
        "model": "gpt-5",
        "temperature": 0.2,
        "tools": [{"type": "function", "function": function} for function in functions],
        "messages": [
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": _TASK},
            {"role": "assistant", "content": None, "tool_calls": _tool_calls()},
            *({"role": "tool", "tool_call_id": f"call_{n + 1}", "content": text} for n, text in enumerate(_RESULTS)),
        ],
    }
    answer = _completion()
    return Case("chat", Completions, AsyncCompletions, request, lambda: answer)


class EndlessLoop:
    """An agent that never ends, and takes every call id once: each request brings the results of the answer before."""

    def __init__(self) -> None:
        self.case = chat_case()._replace(answer=self._answer)
        self._asked: list[dict[str, Any]] = []
        self._number = 0

    def next(self) -> dict[str, Any]:
        """The next request."""
        results = zip(self._asked, _RESULTS, strict=False)
        return {
            **self.case.request,
            "messages": [
                {"role": "user", "content": f"{_TASK} {self._number}"},
                {"role": "assistant", "content": None, "tool_calls": self._asked},
                *({"role": "tool", "tool_call_id": call["id"], "content": text} for call, text in results),
            ],
        }

    def _answer(self) -> ChatCompletion:
        self._asked = _tool_calls(self._number)
        self._number += len(self._asked)
        return _completion(self._asked)


def history_case(messages: int) -> Case:
    """A chat call that repeats this many messages of 1 kB and adds one."""
    texts = [f"{number} {'a word or two ' * 70}" for number in range(messages)]
    history = [{"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(texts)]
    request = {"model": "gpt-5", "messages": history}
    answer = _completion()
    return Case(f"{messages} messages", Completions, AsyncCompletions, request, lambda: answer)


def streamed_case() -> Case:
    """A streamed chat call, counted by the chunk."""
    chunks = [_chunk(f"word {number} ") for number in range(CHUNKS)]
    request = {"model": "gpt-5", "stream": True, "messages": [{"role": "user", "content": _TASK}]}
    return Case("streamed chunk", Completions, AsyncCompletions, request, lambda: _stream(chunks), True, CHUNKS)


def responses_case() -> Case:
    """The call of `chat_case`, by way of Responses."""
    calls = [
        {"type": "function_call", "id": f"fc_{n}", "call_id": f"call_{n + 1}", "name": "bash", "arguments": written}
        for n, written in enumerate(_ARGUMENTS)
    ]
    outputs = [
        {"type": "function_call_output", "call_id": f"call_{n + 1}", "output": text} for n, text in enumerate(_RESULTS)
    ]
    request = {
        "model": "gpt-5",
        "temperature": 0.2,
        "instructions": _SYSTEM,
        "tools": [
            {"type": "function", "name": name, "description": _DESCRIPTION, "parameters": _PARAMETERS}
            for name in ("bash", "python")
        ],
        "input": [{"role": "user", "content": _TASK}, *calls, *outputs],
    }
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": _REASONING}]}
    answer = Response.model_validate(
        {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "model": "gpt-5-2026",
            "status": "completed",
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "output": [{**reasoning, "status": "completed"}, *({**call, "status": "completed"} for call in calls)],
            "usage": {
                "input_tokens": 700,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": 200,
                "output_tokens_details": {"reasoning_tokens": 100},
                "total_tokens": 900,
            },
        }
    )
    numbers = itertools.count()

    def answer_anew() -> Response:
        answer.id = f"resp_{next(numbers)}"  # an answer that is known already has nothing new to record
        return answer

    return Case("responses", Responses, AsyncResponses, request, answer_anew)


def _tool_calls(first: int = 0) -> list[dict[str, Any]]:
    return [
        {"id": f"call_{first + n + 1}", "type": "function", "function": {"name": "bash", "arguments": written}}
        for n, written in enumerate(_ARGUMENTS)
    ]


def _completion(calls: list[dict[str, Any]] | None = None) -> ChatCompletion:
    message = {"role": "assistant", "reasoning_content": _REASONING, "tool_calls": calls or _tool_calls()}
    return ChatCompletion.model_validate(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-5-2026",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 700, "completion_tokens": 200, "total_tokens": 900},
        }
    )


def _chunk(text: str) -> ChatCompletionChunk:
    return ChatCompletionChunk.model_validate(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "gpt-5-2026",
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
        }
    )


def _stream(chunks: list[ChatCompletionChunk]) -> Any:
    """A stream of the client whose chunks have arrived already."""
    stream: Any = object.__new__(Stream)
    stream._iterator = iter(chunks)
    stream.response = SimpleNamespace(close=lambda: None, stream=None, headers={})
    return stream


def client_of() -> Any:
    """What a resource knows of its client."""
    return _Client()


class _Client:
    def __init__(self) -> None:
        self.base_url = _Address()


class _Address:
    host = "127.0.0.1"
    port = 8080
    scheme = "http"
