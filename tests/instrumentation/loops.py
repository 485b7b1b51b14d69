"""Hand-written agent loops on the real client, as a user would write them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Any

from openai import APIConnectionError, AsyncOpenAI, OpenAI

TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"run {name}",
            "parameters": {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]},
        },
    }
    for name, argument in (("bash", "command"), ("read_file", "path"))
]

Messages = list[Any]


def helpers(openai: OpenAI | AsyncOpenAI) -> Any:
    """Where `parse` and `stream` are; older clients have them under `beta`."""
    completions: Any = openai.chat.completions
    return completions if hasattr(completions, "stream") else openai.beta.chat.completions


def accepts(method: Any, parameter: str) -> bool:
    """Whether the installed client knows a parameter."""
    return parameter in inspect.signature(method).parameters


def http_package() -> Any:
    """The HTTP package that the installed client uses."""
    return sys.modules.get("httpx") or sys.modules["httpx2"]


def connection_errors() -> tuple[type[Exception], ...]:
    """What a client raises for a connection that breaks: older ones let the error of their HTTP package through."""
    return (APIConnectionError, http_package().TransportError)


def client(url: str, **options: Any) -> OpenAI:
    """The real client, without its own retries."""
    return OpenAI(base_url=url, api_key="none", **{"max_retries": 0, **options})


def async_client(url: str, **options: Any) -> AsyncOpenAI:
    """The real asynchronous client, without its own retries."""
    return AsyncOpenAI(base_url=url, api_key="none", **{"max_retries": 0, **options})


def conversation(*said: str) -> Messages:
    """A system message and what the user says."""
    return [{"role": "system", "content": "Be careful."}, *({"role": "user", "content": text} for text in said)]


def results(message: Any) -> Messages:
    """What the tools of this loop return: the arguments that they got."""
    return [
        {"role": "tool", "tool_call_id": call.id, "content": f"ran {call.function.arguments}"}
        for call in message.tool_calls
    ]


def run_loop(openai: OpenAI, messages: Messages, tools: Sequence[Any] = TOOLS) -> str:
    """Call tools until the model answers in words."""
    while True:
        message = openai.chat.completions.create(model="gpt-5", messages=messages, tools=tools).choices[0].message
        messages.append(message)
        if not message.tool_calls:
            return message.content or ""
        messages.extend(results(message))


async def run_async_loop(openai: AsyncOpenAI, messages: Messages, tools: Sequence[Any] = TOOLS) -> str:
    """Do the same, asynchronously."""
    while True:
        answer = await openai.chat.completions.create(model="gpt-5", messages=messages, tools=tools)
        message = answer.choices[0].message
        messages.append(message)
        if not message.tool_calls:
            return message.content or ""
        messages.extend(results(message))
