"""Findings and session summaries in one SQLite file: what `verdicts` and `demo` read, what survives a restart."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from spanwarden_processor.errors import ConfigurationError
from spanwarden_processor.types import SessionSummary

FILE_NAME = "findings.sqlite"
KEPT_ROWS = 1_000_000
"""Findings, and sessions, that are kept; the oldest go first."""
PRUNE_EVERY = 10_000
"""Rows written between two looks at the limit."""

_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS findings (
    finding_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, time TEXT NOT NULL, service TEXT NOT NULL,
    category TEXT NOT NULL, severity_number INTEGER NOT NULL, finding TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS findings_by_time ON findings (time);
CREATE INDEX IF NOT EXISTS findings_by_session ON findings (session_id);
CREATE TABLE IF NOT EXISTS sessions (
    session_id TEXT PRIMARY KEY, service TEXT NOT NULL, time INTEGER NOT NULL, severity_number INTEGER NOT NULL,
    summary TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS sessions_by_time ON sessions (time);
"""
_ADD_FINDING = "INSERT OR IGNORE INTO findings VALUES (?, ?, ?, ?, ?, ?, ?)"
# A scorer that was replaced knows less of a session than the one before it: the worse verdict stays.
_ADD_SESSION = """
INSERT INTO sessions VALUES (?, ?, ?, ?, ?) ON CONFLICT (session_id) DO UPDATE SET
time = excluded.time, severity_number = excluded.severity_number, summary = excluded.summary
WHERE excluded.severity_number >= sessions.severity_number
"""
_PRUNE = "DELETE FROM {table} WHERE time < (SELECT time FROM {table} ORDER BY time DESC LIMIT 1 OFFSET ?)"


class Store:
    """The file, open for one thread."""

    def __init__(self, data_dir: Path) -> None:
        """Open or create the file.

        Raises:
            ConfigurationError: it cannot be opened, or is no store of this program.
        """
        self._path = data_dir / FILE_NAME
        self._written = 0
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, check_same_thread=False)
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"{self._path} cannot be used: {error}") from None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(self, findings: Sequence[Mapping[str, Any]], summaries: Sequence[SessionSummary]) -> None:
        """Keep findings that are new by their id, and the latest summary of each session."""
        with self._connection:
            self._connection.executemany(_ADD_FINDING, map(_finding_row, findings))
            self._connection.executemany(_ADD_SESSION, map(_session_row, summaries))
            self._written += len(findings) + len(summaries)
            if self._written >= PRUNE_EVERY:
                self._written = 0
                for table in ("findings", "sessions"):
                    self._connection.execute(_PRUNE.format(table=table), (KEPT_ROWS,))

    def findings(self, session_id: str | None = None) -> Iterator[dict[str, Any]]:
        """The findings, of one session or all, oldest first."""
        wanted = ("WHERE session_id = ?", (session_id,)) if session_id else ("", ())
        rows = self._connection.execute(f"SELECT finding FROM findings {wanted[0]} ORDER BY time", wanted[1])
        return (json.loads(row[0]) for row in rows)

    def sessions(self) -> Iterator[dict[str, Any]]:
        """The latest summary of each session, oldest first."""
        return (json.loads(row[0]) for row in self._connection.execute("SELECT summary FROM sessions ORDER BY time"))


def stored_findings(data_dir: Path) -> list[dict[str, Any]]:
    """All findings in the store of a data directory, oldest first, also while a processor writes there.

    Raises:
        ConfigurationError: there is no store, or it cannot be read.
    """
    path = data_dir / FILE_NAME
    if not path.exists():
        raise ConfigurationError(f"there is no store of findings in {data_dir}; name its processor's --data-dir")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return [json.loads(row[0]) for row in connection.execute("SELECT finding FROM findings ORDER BY time")]
    except sqlite3.Error as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None


def _finding_row(finding: Mapping[str, Any]) -> tuple[Any, ...]:
    columns = ("finding_id", "session_id", "time", "service", "category", "severity_number")
    return (*(finding[column] for column in columns), json.dumps(finding))


def _session_row(summary: SessionSummary) -> tuple[Any, ...]:
    text = json.dumps(summary._asdict())
    return (summary.session_id, summary.service, summary.updated_ns, summary.severity_number, text)
