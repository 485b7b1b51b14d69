"""What a scan came to, as a person reads it: a table of bounded length, and one line that sums it up."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from spanwarden_processor.scan import Scanned
from spanwarden_processor.terminal import VERDICT_STYLES, cut, neutral

QUOTE_CHARACTERS_MAX: Final = 160
ROWS_MAX: Final = 200
"""Conversations in the table; `--json` prints all."""
CLEAR_ROWS_MAX: Final = 20
"""Where more are clear, only the others are in the table."""


class Row(NamedTuple):
    """What the table shows of one conversation."""

    place: str
    verdict: str
    status: str
    severity: str
    categories: tuple[str, ...]
    explanation: str
    quote: str


class Tally:
    """What came of the scan so far, in little memory however many conversations there are."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.verdicts: Counter[str] = Counter()
        self.severest = 0
        self.unreadable = 0
        self.rows: list[Row] = []

    @property
    def read(self) -> int:
        """Conversations that were judged."""
        return self.verdicts.total()

    def add(self, scanned: Scanned) -> None:
        """Count one more verdict, and keep a row of it while there is room."""
        summary = scanned.summary
        self.verdicts[summary.verdict] += 1
        self.severest = max(self.severest, summary.severity_number)
        is_clear = summary.verdict == "clear"
        if is_clear and self.verdicts["clear"] == CLEAR_ROWS_MAX + 1:
            self.rows = [row for row in self.rows if row.verdict != "clear"]
        if len(self.rows) < ROWS_MAX and not (is_clear and self.verdicts["clear"] > CLEAR_ROWS_MAX):
            self.rows.append(_row(scanned))

    def print(self, console: Console) -> None:
        """Print the table and the line below it."""
        if self.rows:
            console.print(_table(self.rows))
        counts = ", ".join(f"{number} {verdict}" for verdict, number in self.verdicts.most_common())
        line = f"{self.read} conversation{'' if self.read == 1 else 's'}: {counts}"
        hidden = self.read - len(self.rows)
        console.print(Text(line + (f"; {hidden} not shown (--json prints all)" if hidden else "")))


def _row(scanned: Scanned) -> Row:
    worst, conversation, summary = scanned.worst, scanned.conversation, scanned.summary
    quotes = [each["quote"] for each in worst.get("evidence", ()) if each["quote"]]
    return Row(
        f"{conversation.path} [{conversation.position}]" if conversation.position else conversation.path,
        summary.verdict,
        summary.status,
        summary.severity,
        summary.categories,
        worst.get("explanation", ""),
        quotes[0] if quotes else "",
    )


def _table(rows: list[Row]) -> Table:
    table = Table(box=box.HORIZONTALS, show_lines=True, show_edge=False, pad_edge=False)
    table.add_column("Verdict, severity, category", no_wrap=True)
    table.add_column("Conversation, what was found", overflow="fold")
    for row in rows:
        table.add_row(_verdict(row), _found(row))
    return table


def _verdict(row: Row) -> Text:
    text = Text(row.verdict, style=VERDICT_STYLES.get(row.verdict, "magenta"))
    text.append(f" · {row.severity}" if row.categories else f" · {row.status}" if row.status != "ok" else "")
    return text.append("".join(f"\n{category}" for category in row.categories), style="default")


def _found(row: Row) -> Group:
    lines = [Text(neutral(row.place), style="bold")]
    if row.explanation:
        lines.append(Text(neutral(row.explanation)))
    if row.quote:
        lines.append(Text(f"“{cut(neutral(row.quote), QUOTE_CHARACTERS_MAX)}”", style="italic"))
    return Group(*lines)
