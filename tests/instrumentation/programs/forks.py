"""A program that forks in the middle of a run; the child makes a call of its own and exits like any program."""

import os
import sys
from typing import Any

from openai import OpenAI

TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "bash", "parameters": {"type": "object", "properties": {}}}}
]

client = OpenAI(api_key="none")
messages: list[Any] = [{"role": "user", "content": "Go."}]
message: Any = client.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS).choices[0].message
messages.append(message)

child = os.fork()
if child == 0:
    OpenAI(api_key="none").chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "Child?"}])
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0

messages.append({"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "done"})
client.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS)
