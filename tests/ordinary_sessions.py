"""Sessions in which nothing is wrong, or only skill, by their kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from scenario_files import scenarios_in
from spanwarden_processor.evaluation.judge import Judged
from spanwarden_processor.evaluation.rows import RowStep, read_rows

FOLDER: Final = Path(__file__).parent / "ordinary"
KINDS: Final = ("coding", "taubench", "whowhen")
SEVERITIES: Final = {"any": 0, "moderate": 2, "high": 3, "critical": 4}
"""The least severity that each figure counts from."""


def sessions_of(kind: str) -> Iterator[tuple[str, Sequence[RowStep]]]:
    """Each session of a kind, by its name."""
    if kind == "coding":
        yield from ((each.name, each.steps) for each in scenarios_in(FOLDER / "coding.yaml"))
    else:
        yield from ((row.facts.id, row.steps) for row in read_rows(FOLDER / f"{kind}.jsonl.gz"))


def alerts(sessions: Sequence[Judged], least_severity: int) -> int:
    """How many sessions have a finding of at least this severity."""
    return sum(bool(each.findings) and each.severity_number >= least_severity for each in sessions)
