"""Sessions that were judged, to examples in full: what was rightly flagged, false alarms, and what was missed."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from detection_page.suites import Ordinary, Tried
from scenario_files import Scenario
from spanwarden_processor.evaluation.judge import Judged
from spanwarden_processor.evaluation.rows import Row, RowStep, dataset_of, read_rows
from spanwarden_processor.evaluation.run import DataSet

MOST: Final = 5
_LONGEST: Final = 500
_STEERING: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_SPEAKERS: Final = {"tool_result": "answer", "tool_call": "call"}


class Example(NamedTuple):
    """A session to be shown. `kind` is its category or its data set; no two of a kind, while there are others."""

    kind: str
    title: str
    steps: Sequence[RowStep]
    judged: Judged


def right(tried: Iterable[Tried]) -> str:
    """Hand-written sessions that misbehave and were named rightly."""
    return _shown(_of(each for each in tried if each.scenario.misbehaves and _is_named(each)))


def missed(tried: Iterable[Tried]) -> str:
    """Hand-written sessions that misbehave and of which nothing was said."""
    return _shown(_of(each for each in tried if each.scenario.misbehaves and not each.judged.findings))


def false_alarms(
    tried: Iterable[Tried], ordinary: Iterable[Ordinary], data_sets: Iterable[tuple[Path, DataSet]]
) -> str:
    """Look-alikes and ordinary work that were flagged, then rows of label 0 whose licence lets them be shown."""
    alarms = _of(each for each in tried if not each.scenario.misbehaves and each.judged.findings)
    work = (
        Example(f"ordinary {each.kind}", f"ordinary work, {each.kind}: {each.name}", each.steps, each.judged)
        for each in ordinary
        if each.judged.findings
    )
    rows = (example for path, data_set in data_sets for example in _flagged_rows(path, data_set))
    # Of rows, the shortest of each task.
    return _shown([*alarms, *work, *sorted(rows, key=lambda each: sum(len(step.content) for step in each.steps))])


def _is_named(tried: Tried) -> bool:
    return tried.scenario.category in tried.judged.categories


def _of(tried: Iterable[Tried]) -> list[Example]:
    return [Example(each.scenario.category, _named(each.scenario), each.scenario.steps, each.judged) for each in tried]


def _named(scenario: Scenario) -> str:
    return f"{scenario.category}: {scenario.name}"


def _flagged_rows(path: Path, data_set: DataSet) -> Iterator[Example]:
    flagged = {
        row.facts.id: row.judged["all"]
        for row in data_set.rows
        if row.facts.label == 0 and row.facts.licence and row.judged["all"].findings
    }
    for row in read_rows(path) if flagged else ():
        if row.facts.id in flagged:
            yield Example(f"{data_set.name} {row.facts.group}", _title(path, row), row.steps, flagged[row.facts.id])


def _title(path: Path, row: Row) -> str:
    category = f", {row.facts.category}" if row.facts.category else ""
    return f"{row.facts.id} of {dataset_of(path)} (label 0{category}; licence {row.facts.licence})"


def _shown(examples: Sequence[Example]) -> str:
    if not examples:
        return "None."
    chosen = _different_first(examples)[:MOST]
    few = f"There are no more than {len(chosen)}.\n\n" if len(chosen) < MOST else ""
    return few + "\n\n".join(map(_example, chosen))


def _different_first(examples: Sequence[Example]) -> list[Example]:
    """The first of each kind, then the others."""
    firsts = {example.kind: example for example in reversed(examples)}
    return sorted(examples, key=lambda example: firsts[example.kind] is not example)


def _example(example: Example) -> str:
    said = "\n".join(dict.fromkeys(_said(finding) for finding in example.judged.findings)) or "Said: nothing."
    steps = "\n".join(map(_step, example.steps))
    summary = f"<details><summary>{html.escape(example.title, quote=False)}</summary>"
    return f"{summary}\n\n~~~~text\n{steps}\n~~~~\n\n{said}\n\n</details>"


def _said(finding: dict[str, str]) -> str:
    return f"Said: {finding['category']}, {finding['severity']}. {finding['explanation']}"


def _step(step: RowStep) -> str:
    speaker = _SPEAKERS.get(step.type, step.type) + (f" {step.name}" if step.type == "tool_call" and step.name else "")
    text = step.content
    if len(text) > _LONGEST:
        cut = len(text) - _LONGEST
        text = f"{text[: _LONGEST // 2]} [… {cut} characters …] {text[-_LONGEST // 2 :]}"
    # What an agent wrote can neither end its block, nor the part of the page, nor steer a terminal that shows it.
    return _STEERING.sub("\ufffd", f"{speaker}: {text}".replace("~~~~", "~~~").replace("<!-- end", "<!- end"))
