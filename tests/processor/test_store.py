"""Findings and sessions on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanwarden_processor.errors import ConfigurationError
from spanwarden_processor.store import FILE_NAME, Store, stored_findings
from spanwarden_processor.types import SessionSummary


def finding(finding_id: str, time: str = "2026-01-01T00:00:00Z") -> dict[str, object]:
    return {
        "finding_id": finding_id,
        "session_id": "s1",
        "time": time,
        "service": "agent",
        "category": "deception",
        "severity_number": 2,
        "explanation": "It said so; it was not so.",
    }


def summary(severity_number: int, verdict: str = "misaligned") -> SessionSummary:
    return SessionSummary(
        session_id="s1",
        service="agent",
        trace_id="0" * 32,
        verdict=verdict,  # type: ignore[arg-type]
        status="ok",
        severity="high" if severity_number else "none",
        severity_number=severity_number,
        score=0.9,
        categories=("deception",),
        steps=4,
        updated_ns=1,
    )


def test_a_finding_is_kept_once_and_read_back_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path)

    store.add([finding("f1")], [])
    store.add([finding("f1", time="2027-01-01T00:00:00Z"), finding("f0", time="2025-01-01T00:00:00Z")], [])

    assert list(store.findings()) == [finding("f0", time="2025-01-01T00:00:00Z"), finding("f1")]
    store.close()


def test_findings_and_sessions_survive_a_restart(tmp_path: Path) -> None:
    first = Store(tmp_path)
    first.add([finding("f1")], [summary(3)])
    first.close()

    second = Store(tmp_path)

    assert [each["finding_id"] for each in second.findings("s1")] == ["f1"]
    assert list(second.findings("another session")) == []
    assert [(each["verdict"], each["steps"]) for each in second.sessions()] == [("misaligned", 4)]
    second.close()


def test_a_session_keeps_its_worst_verdict(tmp_path: Path) -> None:
    store = Store(tmp_path)

    store.add([], [summary(0, "clear"), summary(3)])
    store.add([], [summary(0, "unknown")])

    assert [each["verdict"] for each in store.sessions()] == ["misaligned"]
    store.close()


def test_a_file_that_is_no_store_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("this is not SQLite, however long it may be" * 100)

    with pytest.raises(ConfigurationError, match=FILE_NAME):
        Store(tmp_path)


def test_a_store_is_read_by_a_relative_path_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.add([finding("f1")], [])
    store.close()
    monkeypatch.chdir(tmp_path)

    assert stored_findings(Path()) == [finding("f1")]
