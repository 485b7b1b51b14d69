"""A local OpenAI-compatible HTTP server that plays given answers. It is no model."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


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
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = dict(self.model.answer(request))
        status = answer.pop("_status", 200)
        if request.get("stream"):
            self._send(status, "text/event-stream", _chunks(answer))
        else:
            self._send(status, "application/json", json.dumps(answer).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: pytest shows the requests where a test fails."""


def _chunks(answer: dict[str, Any]) -> bytes:
    choice = answer["choices"][0]
    deltas = [{"role": "assistant", "content": word} for word in str(choice["message"]["content"]).split()]
    head = {"id": answer["id"], "object": "chat.completion.chunk", "created": 1, "model": answer["model"]}
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"
