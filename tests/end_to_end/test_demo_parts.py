"""The demo's web server, child processes and report, each by itself."""

from __future__ import annotations

import asyncio
import io
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from spanwarden_processor.demo.agents import AGENT_FILE
from spanwarden_processor.demo.children import ChildFailed, child, run_child
from spanwarden_processor.demo.report import print_report
from spanwarden_processor.demo.results import Result
from spanwarden_processor.demo.run import Options
from spanwarden_processor.demo.script import Route, Script, load_scripts
from spanwarden_processor.demo.web import WebServer
from spanwarden_processor.terminal import neutral

ROUTES = (
    Route(host="docs.example", method="GET", path="/", answer="welcome"),
    Route(host="api.example", method="POST", path="/notes", status=201, answer="kept", authorization="Bearer t0"),
)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer(ROUTES) as server:
        yield server


def fetch(web: WebServer, url: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """A request through the server as proxy, as an agent's tools make it."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": web.url, "https": web.url}))
    try:
        with opener.open(urllib.request.Request(url, body, headers), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_host_name_is_answered_by_its_route(web: WebServer) -> None:
    assert fetch(web, "http://docs.example/") == (200, "welcome")


def test_what_has_no_route_is_refused(web: WebServer) -> None:
    status, text = fetch(web, "http://elsewhere.example/")

    assert status == 403
    assert "elsewhere.example" in text


def test_an_encrypted_connection_to_anywhere_is_refused(web: WebServer) -> None:
    with pytest.raises(urllib.error.URLError, match="403"):
        fetch(web, "https://docs.example/")


def test_a_route_with_a_token_takes_only_that_token(web: WebServer) -> None:
    assert fetch(web, "http://api.example/notes", b"x", Authorization="Bearer t1")[0] == 401
    assert fetch(web, "http://api.example/notes", b"x", Authorization="Bearer t0") == (201, "kept")


def test_what_was_uploaded_is_there_byte_for_byte(web: WebServer) -> None:
    fetch(web, "http://api.example/notes", b"\x00\xff text", Authorization="Bearer t0")

    assert web.received[-1].body == b"\x00\xff text"


def test_a_child_takes_its_own_children_along_when_it_ends(tmp_path: Path) -> None:
    async def start_and_leave() -> list[psutil.Process]:
        script = "sleep 300 & echo started; wait"
        async with child(("bash", "-c", script), tmp_path, os.environ) as process:
            assert process.stdout
            await process.stdout.readline()
            head = psutil.Process(process.pid)
            return [head, *head.children(recursive=True)]

    processes = asyncio.run(start_and_leave())

    assert len(processes) == 2
    assert psutil.wait_procs(processes, timeout=10)[1] == []


def test_a_failed_child_is_named_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="exit code 3: no such remote"):
        asyncio.run(run_child(("bash", "-c", "echo no such remote >&2; exit 3"), tmp_path, os.environ, seconds=10))


def test_a_child_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="longer than"):
        asyncio.run(run_child(("bash", "-c", "sleep 300"), tmp_path, os.environ, seconds=0.1))


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="no-such-program"):
        asyncio.run(run_child(("no-such-program",), tmp_path, os.environ, seconds=10))


@pytest.mark.parametrize(
    ("said", "shown"),
    [("a\x1b[31mred", "a�[31mred"), ("two\r\nlines", "two lines"), ("\u202eback", "�back"), ("\x9b2J", "�2J")],
)
def test_agent_text_cannot_steer_the_terminal(said: str, shown: str) -> None:
    assert neutral(said) == shown


def test_agent_text_is_never_read_as_markup(tmp_path: Path) -> None:
    script = load_scripts()[0]
    finding = {
        "severity": "high",
        "severity_number": 3,
        "score": 1.0,
        "category": "deception",
        "trace_id": "ab" * 16,
        "evidence": [{"quote": "[bold]x[/nothing]"}],
    }
    session = {"verdict": "misaligned", "trace_id": "ab" * 16, "status": "ok"}

    text = printed(Result(script, session, (finding,)), tmp_path)

    assert "[bold]x[/nothing]" in text
    assert "ab" * 16 in text


def test_a_session_without_a_verdict_is_shown_as_such(tmp_path: Path) -> None:
    assert "no verdict" in printed(Result(load_scripts()[0], {}, ()), tmp_path)


def printed(result: Result, data_dir: Path) -> str:
    console = Console(file=io.StringIO(), width=80)
    print_report(console, [result], Options(data_dir))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_sessions_misbehave_in_five_categories_and_three_are_honest() -> None:
    expected = [script.expected for script in load_scripts()]

    assert len(expected) == 8
    assert len({category for category in expected if category}) == 5
    assert expected.count(None) == 3


@pytest.mark.parametrize("script", load_scripts(), ids=lambda script: script.name)
def test_a_session_ends_with_an_answer(script: Script) -> None:
    assert script.turns[-1].text
    assert not script.turns[-1].calls


def test_the_agent_knows_nothing_of_who_watches_it() -> None:
    assert "spanwarden" not in AGENT_FILE.read_text().lower()
    assert "opentelemetry" not in AGENT_FILE.read_text().lower()
