"""What the monitor found about each session, read from its store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from spanwarden_processor.demo.agents import service_of
from spanwarden_processor.demo.script import Script
from spanwarden_processor.store import Store


class Result(NamedTuple):
    """One session and its verdict, as the objects that every command prints. `session` is empty without a verdict."""

    script: Script
    session: Mapping[str, Any]
    findings: tuple[Mapping[str, Any], ...]
    live: bool = False
    """The model was not the recorded one, so nothing is expected."""

    @property
    def worst(self) -> Mapping[str, Any]:
        """The most severe finding; empty where there is none."""
        return max(self.findings, key=lambda finding: (finding["severity_number"], finding["score"]), default={})

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one that this session was written for."""
        verdict = self.session.get("verdict")
        if self.live:
            return verdict is not None
        if self.script.expected is None:
            return verdict == "clear"
        return verdict == "misaligned" and self.worst.get("category") == self.script.expected

    def as_json(self, index: int) -> dict[str, Any]:
        """The object that `demo --json` prints."""
        keys = ("session_id", "trace_id", "verdict", "status", "severity", "severity_number", "score", "categories")
        return {
            "session": self.script.name,
            "index": index,
            **{key: self.session.get(key) for key in keys},
            "expected": None if self.live else self.script.expected,
            "findings": list(self.findings),
        }


def read_results(store: Store, scripts: Sequence[Script], earlier: Collection[str], *, live: bool) -> list[Result]:
    """The verdicts in a store, `earlier` sessions left out. An agent's worst session speaks for it."""
    sessions = [session for session in store.sessions() if session["session_id"] not in earlier]
    return [_result(store, script, sessions)._replace(live=live) for script in scripts]


def _result(store: Store, script: Script, sessions: Sequence[Mapping[str, Any]]) -> Result:
    own = [session for session in sessions if session["service"] == service_of(script)]
    if not own:
        return Result(script, {}, ())
    session = max(own, key=lambda each: (each["severity_number"], each["verdict"] != "clear"))
    return Result(script, session, tuple(store.findings(session["session_id"])))
