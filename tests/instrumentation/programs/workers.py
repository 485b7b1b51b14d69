"""A program whose loop runs in a worker process, started in the way that the argument names."""

import multiprocessing
import sys
from typing import Any

from openai import OpenAI

TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "bash", "parameters": {"type": "object", "properties": {}}}}
]


def work() -> None:
    """One tool call, and no answer in words: the run is open when the worker ends."""
    messages: list[Any] = [{"role": "user", "content": "Go."}]
    with OpenAI(api_key="none") as client:
        for _ in range(2):
            answer: Any = client.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS)
            message = answer.choices[0].message
            messages.append(message)
            messages.extend({"role": "tool", "tool_call_id": call.id, "content": "done"} for call in message.tool_calls)


if __name__ == "__main__":
    worker = multiprocessing.get_context(sys.argv[1]).Process(target=work)
    worker.start()
    worker.join()
    sys.stdout.write(f"{worker.exitcode}\n")
