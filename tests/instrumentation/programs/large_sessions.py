"""Loops with much to send, by name: long histories, sub-agents side by side, one huge result, many large ones."""

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from openai import OpenAI

TOOLS: list[Any] = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]
FLAT: list[Any] = [{"type": "function", "name": "read", "parameters": {"type": "object"}, "strict": False}]
TURN = "a word or two " * 70
SIZES = {"one huge result": [12_000_000], "many large results": [150_000] * 40}


def responses(client: OpenAI) -> None:
    items: list[Any] = []
    for turn in range(100):
        items.append({"role": "user", "content": f"{turn} {TURN} {TURN}"})
        items += client.responses.create(model="gpt-5", input=items, tools=FLAT).output


def subagent(client: OpenAI, name: int) -> None:
    """A sub-agent that is told the whole history before it begins: 200 kB, and a kilobyte more each turn."""
    messages: list[Any] = [{"role": "system", "content": f"You are number {name}."}]
    messages += [{"role": "user", "content": f"{turn} {TURN}"} for turn in range(200)]
    for turn in range(25):
        messages.append({"role": "user", "content": f"{name} {turn} {TURN}"})
        messages.append(client.chat.completions.create(model="gpt-5", messages=messages).choices[0].message)


def clock(client: OpenAI) -> None:
    """The first message changes from request to request, so that no history goes on from the one before it."""
    messages: list[Any] = [{"role": "user", "content": f"{turn} {TURN}"} for turn in range(200)]
    for turn in range(100):
        system: Any = {"role": "system", "content": f"It is {turn} seconds past noon."}
        client.chat.completions.create(model="gpt-5", messages=[system, *messages])


def subagents(client: OpenAI) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: subagent(client, name), range(8)))


def results(client: OpenAI, sizes: list[int]) -> None:
    messages: list[Any] = [{"role": "user", "content": "Go."}]
    for size in sizes:
        message = client.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS).choices[0].message
        (call,) = message.tool_calls or ()
        messages += [message, {"role": "tool", "tool_call_id": call.id, "content": json.dumps("x" * size)}]
    client.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS)


def main(name: str) -> None:
    loops: dict[str, Callable[[OpenAI], None]] = {
        "responses": responses,
        "a clock in the prompt": clock,
        "sub-agents": subagents,
    }
    client = OpenAI(api_key="none")
    if name in SIZES:
        results(client, SIZES[name])
    else:
        loops[name](client)


main(sys.argv[1])
