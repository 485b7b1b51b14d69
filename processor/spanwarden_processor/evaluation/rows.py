"""Files of labelled runs to rows: what detectors may see of a row (`steps`), and apart from it what is known of it."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import orjson
import xxhash

from spanwarden_processor.errors import SpanwardenError

STEP_TYPES: Final = frozenset({"system", "user", "reasoning", "message", "tool_call", "tool_result"})
MOST_LINE_BYTES: Final = 64 * 1024 * 1024
_SUFFIXES: Final = (".gz", ".jsonl", ".json", ".ndjson")

Split: TypeAlias = Literal["train", "dev", "diagnostic", "unsplit"]
"""What rows may be used for: `train` to learn from, `dev` and `diagnostic` to measure on only."""


class RowsUnreadable(SpanwardenError):
    """A file of rows cannot be read, or a line of it is no row. The message names file, line and key."""


class RowStep(NamedTuple):
    """One step of a row: its type, the tool or speaker where there is one, and its text."""

    type: str
    name: str | None
    content: str


class Facts(NamedTuple):
    """What is known of a row beside its steps. It is for measuring; detectors never come near it.

    `group` is the unit that stays together when groups are drawn: the twin group where a row has one. `task` is what
    was asked for, in words. `licence` is that under which the row may be shown; None where it may not be.
    """

    id: str
    label: int | None
    category: str | None
    group: str
    meta: Mapping[str, Any]
    task: str = ""
    licence: str | None = None


class Row(NamedTuple):
    """A labelled run."""

    facts: Facts
    steps: tuple[RowStep, ...]


def dataset_of(path: Path) -> str:
    """The name of the data set that a file holds: its file name without the endings of its format."""
    name = path.name
    while name.endswith(_SUFFIXES):
        name = name.rpartition(".")[0]
    return name or path.name


def split_of(path: Path) -> Split:
    """What a file's rows may be used for, as its name tells (`NAME.dev.jsonl`)."""
    match dataset_of(path).rpartition(".")[2]:
        case "train":
            return "train"
        case "dev":
            return "dev"
        case "diagnostic":
            return "diagnostic"
        case _:
            return "unsplit"


def train_file_of(path: Path) -> Path | None:
    """The file of train rows that stands beside a file of development rows; None where there is none."""
    if split_of(path) != "dev":
        return None
    beside = path.with_name(path.name.replace(".dev.", ".train.", 1))
    return beside if beside.is_file() else None


def train_files_beside(path: Path) -> tuple[Path, ...]:
    """All files of train rows in the folder of a file, in the order of their names."""
    return tuple(sorted(each for each in path.parent.glob("*.train.*") if split_of(each) == "train"))


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file of JSON lines, gzipped or not, one after another.

    Raises:
        RowsUnreadable: the file cannot be read, or a line is no row.
    """
    ids: set[str] = set()
    try:
        with path.open("rb") as file:
            for number, line in enumerate(_lines(file), start=1):
                if not line.strip():
                    continue
                row = _row(line, f"{path}:{number}")
                if row.facts.id in ids:
                    raise RowsUnreadable(f"{path}:{number}: id: {row.facts.id!r} stands twice in this file")
                ids.add(row.facts.id)
                yield row
    except (OSError, EOFError) as error:
        raise RowsUnreadable(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def digest_of(steps: Sequence[RowStep]) -> str:
    """What tells equal steps: of a whole row, or of a view of it."""
    return xxhash.xxh3_128_hexdigest(orjson.dumps(steps, default=list))


def _lines(file: io.BufferedReader) -> Iterator[bytes]:
    compressed = file.peek(2)[:2] == b"\x1f\x8b"
    stream: Any = gzip.GzipFile(fileobj=file) if compressed else file
    while line := stream.readline(MOST_LINE_BYTES + 1):
        if len(line) > MOST_LINE_BYTES:
            raise OSError(f"a line is longer than {MOST_LINE_BYTES} bytes")
        yield line


def _row(line: bytes, where: str) -> Row:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RowsUnreadable(f"{where}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise RowsUnreadable(f"{where}: expected an object (was {type(value).__name__})")
    return Row(_facts(value, where), _steps(value.get("steps"), where))


def _facts(value: Mapping[str, Any], where: str) -> Facts:
    row_id, label = value.get("id"), value.get("label")
    if not isinstance(row_id, str) or not row_id:
        raise RowsUnreadable(f"{where}: id: expected a text (was {row_id!r})")
    if label not in (0, 1, None) or isinstance(label, (bool, float)):
        raise RowsUnreadable(f"{where}: label: expected 1, 0 or null (was {label!r})")
    meta = value.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    group = meta.get("twin_group") or value.get("group") or row_id
    licence = value.get("licence") if value.get("may_ship") is True else None
    category, task = _text(value.get("category")), _text(value.get("task")) or ""
    return Facts(row_id, label, category, str(group), meta, task, _text(licence))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _steps(steps: Any, where: str) -> tuple[RowStep, ...]:
    if not isinstance(steps, list):
        raise RowsUnreadable(f"{where}: steps: expected a list (was {type(steps).__name__})")
    return tuple(_step(step, f"{where}: steps[{number}]") for number, step in enumerate(steps))


def _step(step: Any, where: str) -> RowStep:
    if not isinstance(step, dict) or step.get("type") not in STEP_TYPES:
        raise RowsUnreadable(f"{where}: type: expected one of {', '.join(sorted(STEP_TYPES))}")
    content = step.get("content")
    if not isinstance(content, str):
        raise RowsUnreadable(f"{where}: content: expected a text (was {type(content).__name__})")
    return RowStep(step["type"], _text(step.get("name")), content)
