from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from spanwarden_processor import transcripts
from spanwarden_processor.transcripts import Conversation, Unreadable, read_transcripts

HELLO = [{"role": "user", "content": "Hello."}]
AGAIN = [{"role": "user", "content": "Again."}]


def read(path: Path | str) -> list[Conversation | Unreadable]:
    return list(read_transcripts(str(path), lambda _: None))


def messages(path: Path | str) -> list[Any]:
    return [each.messages if isinstance(each, Conversation) else str(each) for each in read(path)]


def written(directory: Path, content: str | bytes, name: str = "file.json") -> Path:
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("indent", [None, 1], ids=["one line", "several lines"])
@pytest.mark.parametrize("value", [HELLO, {"messages": HELLO, "model": "m"}], ids=["list", "object"])
def test_a_json_file_is_one_conversation(tmp_path: Path, value: Any, indent: int | None) -> None:
    path = written(tmp_path, json.dumps(value, indent=indent))

    assert messages(path) == [HELLO]


def test_of_json_lines_each_line_is_a_conversation_with_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, f"{json.dumps(HELLO)}\n\n{json.dumps({'messages': AGAIN})}\r\n", "file.txt")

    assert [(each.position, each.messages) for each in read(path) if isinstance(each, Conversation)] == [
        (0, HELLO),
        (1, AGAIN),
    ]


def test_a_broken_line_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    lines = ["broken", json.dumps(HELLO), '{"model": "m"}', '[{"role": "us', "[1, 2]", json.dumps(AGAIN)]
    path = written(tmp_path, "\n".join(lines), "file.jsonl")
    expected = 'expected a list of chat messages, each with a "role", or an object with such "messages"'

    assert messages(path) == [
        f"{path}:1: is not JSON",
        HELLO,
        f"{path}:3: {expected}",
        f"{path}:4: is cut off",
        f"{path}:5: {expected}",
        AGAIN,
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"no\njson", "is not JSON"),
        (b'[\n{"role": "user"', "is cut off"),
        (b"\xff\xfe[", "is not UTF-8"),
    ],
    ids=["empty", "blank", "text", "cut", "binary"],
)
def test_a_file_that_holds_no_conversation_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = written(tmp_path, content)

    assert messages(path) == [f"{path}: {problem}"]


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    assert messages(tmp_path) == [f"{tmp_path}: Is a directory"]
    assert messages(tmp_path / "none") == [f"{tmp_path / 'none'}: No such file or directory"]


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(HELLO).encode())))

    assert messages("-") == [HELLO]


def test_a_byte_order_mark_and_halves_of_surrogate_pairs_are_no_obstacle(tmp_path: Path) -> None:
    path = written(tmp_path, b'\xef\xbb\xbf[{"role": "user", "content": "a \\ud83d b"}]')

    assert messages(path) == [[{"role": "user", "content": "a \ufffd b"}]]


def test_what_is_too_large_is_named_and_never_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcripts, "CONVERSATION_BYTES_MAX", 100)
    long = json.dumps([{"role": "user", "content": "x" * 1000}])
    lines = written(tmp_path, f"{json.dumps(HELLO)}\n{long}\n{json.dumps(AGAIN)}", "file.jsonl")
    document = written(tmp_path, json.dumps([*HELLO] * 10, indent=1))

    assert messages(lines) == [HELLO, f"{lines}:2: larger than 64 MiB", AGAIN]
    assert messages(document) == [f"{document}: larger than 64 MiB"]


def test_all_bytes_that_are_read_are_told(tmp_path: Path) -> None:
    path = written(tmp_path, f"{json.dumps(HELLO)}\n\n{json.dumps(AGAIN)}\n")
    sizes: list[int] = []

    list(read_transcripts(str(path), sizes.append))

    assert sum(sizes) == path.stat().st_size


def test_the_digest_is_that_of_the_content_wherever_it_stands(tmp_path: Path) -> None:
    one = written(tmp_path, f"{json.dumps(HELLO)}\n{json.dumps(AGAIN)}", "one.jsonl")
    other = written(tmp_path, json.dumps(AGAIN), "other.json")

    first, second, third = (each.digest for each in read(one) + read(other) if isinstance(each, Conversation))

    assert second == third != first
