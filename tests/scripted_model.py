"""A local OpenAI-compatible HTTP server that plays given answers. It is no model."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from scripted_responses import response_events


@dataclass
class ScriptedModel:
    """The server's address, the answers it still has to give, and the requests that it got."""

    url: str
    answers: list[dict[str, Any]]
    by_results: Sequence[dict[str, Any]] = ()
    requests: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Note the request and give the next answer."""
        with self.lock:
            self.requests.append(request)
            if self.by_results:
                results = [message for message in request["messages"] if message["role"] == "tool"]
                return self.by_results[len(results)]
            if not self.answers:
                return refusal(500, "the script is over")
            return self.answers.pop(0)


def said(text: str, **message: Any) -> dict[str, Any]:
    """An answer in words."""
    return _completion({"role": "assistant", "content": text, **message}, "stop")


def asked(*calls: tuple[str, str, dict[str, Any]], **message: Any) -> dict[str, Any]:
    """An answer that asks for tools: (call id, tool, arguments) each."""
    tool_calls = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for call_id, name, arguments in calls
    ]
    return _completion({"role": "assistant", "content": None, "tool_calls": tool_calls, **message}, "tool_calls")


def refusal(status: int, text: str) -> dict[str, Any]:
    """An HTTP error."""
    return {"_status": status, "error": {"message": text, "type": "server_error"}}


def _completion(message: dict[str, Any], finish_reason: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted-2026",
        "system_fingerprint": "fp_1",
        "service_tier": "default",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {
            "prompt_tokens": 11,
            "completion_tokens": 7,
            "total_tokens": 18,
            "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
    }


@dataclass(frozen=True)
class Script:
    """How an answer is given, beside what it says.

    `events` replaces the chunks of a streamed answer, `body` what is sent altogether, byte for byte; `cut_before` drops
    the connection before that event, and an event with a gate waits for it.
    """

    events: Sequence[dict[str, Any]] = ()
    body: bytes = b""
    cut_before: int | None = None
    gates: Mapping[int, threading.Event] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    compressed: bool = False


def scripted(answer: dict[str, Any], **script: Any) -> dict[str, Any]:
    """An answer that is given in a way of its own: see `Script`."""
    return {**answer, "_script": Script(**script)}


@contextmanager
def scripted_model(*answers: dict[str, Any], by_results: Sequence[dict[str, Any]] = ()) -> Iterator[ScriptedModel]:
    """Serve the answers on a free port until the block ends.

    `by_results` serves many loops at once: a request that brings n tool results gets the n-th answer.
    """
    server = _Server(("127.0.0.1", 0), _Handler)
    model = ScriptedModel(f"http://127.0.0.1:{server.server_port}/v1", list(answers), by_results)
    server.RequestHandlerClass = type("Handler", (_Handler,), {"model": model})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # many loops connect at once


class _Handler(BaseHTTPRequestHandler):
    model: ScriptedModel
    protocol_version = "HTTP/1.0"  # one connection a request, so that a client leaves none open behind it

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(json.loads(body))

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self._answer({"_path": self.path, "stream": query.get("stream") == ["true"]})

    def _answer(self, request: dict[str, Any]) -> None:
        answer = dict(self.model.answer(request))
        status = answer.pop("_status", 200)
        script = answer.pop("_script", Script())
        if script.body:
            kind = "text/event-stream" if request.get("stream") else "application/json"
            self._send(status, script.body, script, kind)
        elif request.get("stream") and status == 200:
            self._stream(script.events or _events(answer), script)
        else:
            self._send(status, json.dumps(answer).encode(), script)

    def _send(self, status: int, body: bytes, script: Script, kind: str = "application/json") -> None:
        self.send_response(status)
        if script.compressed:
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self._end_headers(kind, str(len(body)), script)
        self.wfile.write(body)

    def _end_headers(self, kind: str, length: str | None, script: Script) -> None:
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", length)
        for name, value in script.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self, events: Sequence[Any], script: Script) -> None:
        """Send events one by one; a connection that is cut lacks the last piece that the protocol asks for."""
        self.protocol_version = "HTTP/1.1"
        self.close_connection = True
        self.send_response(200)
        self.send_header("Connection", "close")
        self.send_header("Transfer-Encoding", "chunked")
        self._end_headers("text/event-stream", None, script)
        with contextlib.suppress(OSError):  # the client may go away
            for index, event in enumerate(events):
                if index == script.cut_before:
                    return
                gate = script.gates.get(index)
                if gate is not None:
                    gate.wait(10)
                name = f"event: {event['type']}\n" if "type" in event else ""
                self._piece(f"{name}data: {json.dumps(event)}\n\n".encode())
            if "type" not in events[-1]:
                self._piece(b"data: [DONE]\n\n")
            self.wfile.write(b"0\r\n\r\n")

    def _piece(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: pytest shows the requests where a test fails."""


def _events(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return response_events(answer) if answer.get("object") == "response" else chat_chunks(answer)


def chat_chunks(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks of an answer: texts word by word, arguments in two pieces, the usage last."""
    head = {key: answer[key] for key in ("id", "model", "created")} | {"object": "chat.completion.chunk"}
    chunks = []
    for choice in answer["choices"]:
        deltas = [{}, *_text_deltas(choice["message"]), *_call_deltas(choice["message"])]
        deltas[:2] = [{"role": "assistant", **delta} for delta in deltas[1:2]]  # the role comes once
        chunks.extend(
            {**head, "choices": [{"index": choice["index"], "delta": delta, "finish_reason": None}]} for delta in deltas
        )
        chunks.append(
            {**head, "choices": [{"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]}]}
        )
    return [*chunks, {**head, "choices": [], "usage": answer["usage"]}]


def _text_deltas(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for detail in message.get("reasoning_details") or ():
        yield {"reasoning_details": [detail]}
    for name in ("reasoning_content", "reasoning", "refusal", "content"):
        for word in re.findall(r"\S+\s*", message.get(name) or ""):
            yield {name: word}


def _call_deltas(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for index, call in enumerate(message.get("tool_calls") or ()):
        arguments = call["function"]["arguments"]
        middle = len(arguments) // 2
        begun = {**call, "index": index, "function": {**call["function"], "arguments": arguments[:middle]}}
        yield {"tool_calls": [begun]}
        yield {"tool_calls": [{"index": index, "function": {"arguments": arguments[middle:]}}]}
