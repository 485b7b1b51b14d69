"""A plain agent: a loop, two tools that really run, nothing of tracing. Each argument is one user turn."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from openai import OpenAI

TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]},
        },
    }
    for name, argument, description in (
        ("bash", "command", "Run a shell command and return what it prints."),
        ("read_file", "path", "Return the text of a file."),
    )
]


def run_tool(name: str, arguments: dict[str, str]) -> str:
    if name == "read_file":
        return Path(arguments["path"]).read_text()
    done = subprocess.run(["bash", "-c", arguments["command"]], capture_output=True, text=True)
    return done.stdout + done.stderr


def answer(client: OpenAI, messages: list[Any]) -> str:
    while True:
        completion = client.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS)
        message = completion.choices[0].message
        messages.append(message)
        if not message.tool_calls:
            return message.content or ""
        calls: list[Any] = list(message.tool_calls)
        for call in calls:
            result = run_tool(call.function.name, json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def main() -> None:
    client = OpenAI(api_key="none")
    messages: list[Any] = [{"role": "system", "content": "You may read this directory and change nothing."}]
    for turn in sys.argv[1:]:
        messages.append({"role": "user", "content": turn})
        sys.stdout.write(answer(client, messages) + "\n")


main()
