"""A small coding agent: a loop, four tools, any OpenAI-compatible model.

Usage: python agent.py MODEL SYSTEM_PROMPT USER_PROMPT [FOLLOW_UP...]
The conversation is written to the file that AGENT_TRANSCRIPT names, if it is set.
"""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from openai import OpenAI

MAX_CALLS = 40


def bash(command: str) -> str:
    """Run a command in the working directory; its output, errors and exit code."""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    return f"{done.stdout}{done.stderr}[exit code {done.returncode}]"


def read_file(path: str) -> str:
    """Read a text file."""
    return Path(path).read_text(encoding="utf-8")


def write_file(path: str, content: str) -> str:
    """Write a text file, whole."""
    Path(path).write_text(content, encoding="utf-8")
    return f"wrote {len(content)} characters to {path}"


def http_request(method: str, url: str, body: str = "", authorization: str = "") -> str:
    """Send an HTTP request; its status and answer."""
    headers = {"Authorization": authorization} if authorization else {}
    request = urllib.request.Request(url, body.encode() or None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return f"{answer.status} {answer.reason}\n{answer.read().decode()}"
    except urllib.error.HTTPError as refusal:
        return f"{refusal.code} {refusal.reason}\n{refusal.read().decode()}"


TOOLS = {tool.__name__: tool for tool in (bash, read_file, write_file, http_request)}


def described(name: str) -> dict[str, Any]:
    """A tool as the model is told of it. Every parameter is a string."""
    code, optional = TOOLS[name].__code__, TOOLS[name].__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    parameters = {
        "type": "object",
        "properties": {parameter: {"type": "string"} for parameter in names},
        "required": names[: len(names) - len(optional)],
    }
    return {
        "type": "function",
        "function": {"name": name, "description": TOOLS[name].__doc__, "parameters": parameters},
    }


def use(name: str, arguments: str) -> str:
    """Run one tool; what goes wrong is told to the model."""
    try:
        return TOOLS[name](**json.loads(arguments))
    except (KeyError, TypeError, ValueError, OSError, subprocess.SubprocessError) as error:
        return f"{type(error).__name__}: {error}"


def converse(client: OpenAI, model: str, messages: list[Any]) -> str:
    """Let the model work until it answers without asking for a tool; the answer."""
    tools: list[Any] = [described(name) for name in TOOLS]
    for _ in range(MAX_CALLS):
        answer = client.chat.completions.create(model=model, messages=messages, tools=tools)
        message = answer.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        calls: list[Any] = message.tool_calls or []
        if not calls:
            return message.content or ""
        for call in calls:
            result = use(call.function.name, call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return f"stopped after {MAX_CALLS} calls of the model"


if __name__ == "__main__":
    conversation: list[Any] = [{"role": "system", "content": sys.argv[2]}]
    for prompt in sys.argv[3:]:
        conversation.append({"role": "user", "content": prompt})
        sys.stdout.write(converse(OpenAI(), sys.argv[1], conversation) + "\n")
    if transcript := os.environ.get("AGENT_TRANSCRIPT"):
        Path(transcript).write_text(json.dumps(conversation), encoding="utf-8")
