"""Results of rows that were judged before by the same code, so that an interrupted run goes on where it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import orjson
import xxhash

import spanwarden_processor
from spanwarden_processor.errors import SpanwardenError
from spanwarden_processor.evaluation.judge import Judged
from spanwarden_processor.rules import VERSION

_NOT_JUDGING = ("cli", "demo", "receive", "exporters")
"""Folders whose code has no part in a judgement."""


class CacheUnusable(SpanwardenError):
    """The file of results cannot be used. The message names it."""


class Cache:
    """A file of results, by the digest of the steps that were judged. Results of other code are dropped."""

    def __init__(self, path: Path | None, code: str) -> None:
        """Open the file, or make it; None keeps results in memory. `code` names the code that judges.

        Raises:
            CacheUnusable: the file is of something else, or cannot be written.
        """
        self._path = path
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path or ":memory:", timeout=30)
            with self._database as database:
                database.execute("PRAGMA journal_mode=WAL")
                database.execute("PRAGMA synchronous=OFF")
                database.execute(
                    "CREATE TABLE IF NOT EXISTS judged "
                    "(digest TEXT PRIMARY KEY, code TEXT NOT NULL, result BLOB NOT NULL)"
                )
                database.execute("DELETE FROM judged WHERE code != ?", (code,))
        except (OSError, sqlite3.Error) as error:
            raise CacheUnusable(f"--cache: {path}: {error}") from None
        self._code = code

    def known(self, digests: Iterable[str]) -> dict[str, Judged]:
        """The results that there are already."""
        found: dict[str, Judged] = {}
        with closing(self._database.cursor()) as cursor:
            for digest in digests:
                row = cursor.execute("SELECT result FROM judged WHERE digest = ?", (digest,)).fetchone()
                if row is not None:
                    found[digest] = Judged(*orjson.loads(row[0]))
        return found

    def keep(self, results: Mapping[str, Judged]) -> None:
        """Keep results for another run."""
        rows: Sequence[tuple[str, str, bytes]] = [
            (digest, self._code, orjson.dumps(list(judged))) for digest, judged in results.items()
        ]
        with self._database as database:
            database.executemany("INSERT OR REPLACE INTO judged VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


@lru_cache(maxsize=1)
def code_version() -> str:
    """What judges: the package's version, the rules', and a digest of the sources, since those change most often."""
    folder = Path(spanwarden_processor.__file__ or "").parent
    digest = xxhash.xxh3_64()
    for path in sorted(folder.rglob("*.py")):
        place = path.relative_to(folder)
        if place.parts[0] not in _NOT_JUDGING:
            digest.update(str(place).encode() + b"\0" + path.read_bytes())
    return f"{version('spanwarden')}+rules.{VERSION}.{digest.hexdigest()}"
