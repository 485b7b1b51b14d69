"""Requests to measure with: the spans of agents at work, 5 KB each on average, always under new trace ids.

A session has ten spans: five chats, each repeating all before it, four tools, the agent. The text is sampled from
the docstrings of the standard library, so that it reads like text to whoever looks for patterns in it.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import random
from collections.abc import Iterator
from typing import NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanwarden_processor.otlp.slices import span_count, span_slices
from spanwarden_processor.otlp.split import only_spans
from spanwarden_processor.testing import (
    Message,
    calls,
    chat_span,
    request_for,
    returns,
    root_span,
    says,
    system,
    tool_span,
    user,
)

SESSIONS_EACH = 10
SPANS_EACH = 10 * SESSIONS_EACH
MARKERS = tuple(bytes([0xAA, session]) * 8 for session in range(SESSIONS_EACH))
"""Stand for the trace ids of a request's sessions until it gets its number."""
DISTINCT = 12
MODULES = ("argparse", "asyncio", "collections", "csv", "difflib", "email", "http.client", "json", "logging", "zipfile")
SYSTEM_PROMPTS = 3
SERIAL = "00000000"
"""Stands in every command and every user's text, and is another one in each request: nothing may come from a memo."""
COMMANDS = (
    "git status --short && git log -1 --stat {0}-{serial}",
    "python -m pytest -q tests/test_{0}_{serial}.py",
    "grep -rn '{0} {serial}' src | head -20",
    "sed -n '1,80p' src/{0}_{serial}.py",
    "ls -la build && cat build/{0}-{serial}.log | tail -5",
    "curl -s http://localhost:8000/{0}/{serial} | jq .status",
)


class Template(NamedTuple):
    """A request and where the trace ids of its sessions stand."""

    request: bytes
    places: tuple[tuple[int, int], ...]
    """(offset, session)"""
    serials: tuple[int, ...]
    """Where the serial number of the request stands."""


def templates() -> list[Template]:
    """The distinct requests, the same in every run."""
    dice = random.Random(20_26)
    words = sampled_words()
    return [_template(dice, words) for _ in range(DISTINCT)]


def unique_requests(made: list[Template], start: int = 1) -> Iterator[bytes]:
    """Requests without end; no trace id comes twice."""
    for number in itertools.count(start):
        yield _numbered(made[number % len(made)], number)


def unique_singles(made: list[Template]) -> Iterator[bytes]:
    """The spans of `unique_requests`, each in a request of its own."""
    singles = [[_placed(each) for each in _single_spans(template.request)] for template in made]
    for number in itertools.count(1):
        for single in singles[number % len(made)]:
            yield _numbered(single, number)


def bytes_per_span(made: list[Template]) -> float:
    """What a span weighs on the wire, on average."""
    return sum(len(each.request) for each in made) / sum(span_count(each.request) for each in made)


def _numbered(template: Template, number: int) -> bytes:
    content = bytearray(template.request)
    for offset, session in template.places:
        content[offset : offset + 16] = (number * SESSIONS_EACH + session + (1 << 100)).to_bytes(16, "big")
    serial = b"%08d" % number
    for offset in template.serials:
        content[offset : offset + 8] = serial
    return bytes(content)


def _single_spans(request: bytes) -> list[bytes]:
    return [only_spans(request, (part,)) for part in span_slices(request)]


def _template(dice: random.Random, words: list[str]) -> Template:
    return _placed(request_for(*(span for marker in MARKERS for span in _session(dice, words, marker))))


def _placed(request: bytes) -> Template:
    places = [(offset, session) for session, marker in enumerate(MARKERS) for offset in _offsets(request, marker)]
    return Template(request, tuple(places), tuple(_offsets(request, SERIAL.encode())))


def _offsets(content: bytes, wanted: bytes) -> Iterator[int]:
    offset = content.find(wanted)
    while offset >= 0:
        yield offset
        offset = content.find(wanted, offset + len(wanted))


def _session(dice: random.Random, words: list[str], trace_id: bytes) -> list[Span]:
    prompt = " ".join(words[dice.randrange(SYSTEM_PROMPTS) * 500 :][:120])
    history: list[Message] = [system(prompt), user(f"{sampled_text(dice, words, 80)} {SERIAL}")]
    spans: list[Span] = []
    for turn in range(5):
        command = dice.choice(COMMANDS).format(dice.choice(words).strip("`'\".,()"), serial=SERIAL)
        call_id = f"call_{trace_id[1]}_{turn}"
        answer = says(sampled_text(dice, words, 200)) if turn == 4 else calls("bash", {"command": command}, call_id)
        spans.append(chat_span(list(history), answer, number=len(spans) + 1))
        if turn < 4:
            result = sampled_text(dice, words, 330)
            spans.append(tool_span("bash", {"command": command}, result, call_id=call_id, number=len(spans) + 1))
            history += [answer, returns(result, call_id)]
    spans.append(root_span(number=len(spans) + 1))
    for span in spans:
        span.trace_id = trace_id
    return spans


def sampled_text(dice: random.Random, words: list[str], count: int) -> str:
    """So many words in a row, from anywhere."""
    start = dice.randrange(len(words) - count)
    return " ".join(words[start : start + count])


def sampled_words() -> list[str]:
    """All words of the docstrings, in their order."""
    texts = []
    for name in MODULES:
        module = importlib.import_module(name)
        texts += [inspect.getdoc(value) or "" for _, value in sorted(vars(module).items()) if callable(value)]
    return " ".join(texts).split()


def describe() -> str:
    """One line on what is measured with."""
    made = templates()
    return f"{bytes_per_span(made):.0f} bytes a span, {SPANS_EACH} spans a request, {DISTINCT} distinct"
