from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import planted_scorers
from detection_page import examples, figures
from detection_page.__main__ import PAGE, parts
from detection_page.page import renewed
from spanwarden_processor.evaluation.cache import Cache
from spanwarden_processor.evaluation.run import Evaluation

PAGE_TEXT = "Before.\n\n<!-- made: one -->\nold\n<!-- end -->\n\nAfter.\n"


def row(number: int, **more: Any) -> dict[str, Any]:
    steps = [
        {"type": "user", "name": None, "content": f"Task {number}."},
        {"type": "tool_call", "name": "bash", "content": f"mischief {'x' * 900}"},
    ]
    return {"id": f"row-{number}", "label": 0, "group": str(number), "steps": steps, **more}


def false_alarms(folder: Path, *rows: dict[str, Any]) -> str:
    path = folder / "some.dev.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    evaluation = Evaluation(planted_scorers.flags_mischief, Cache(None, "test"), views=("all",))
    (data_set,) = evaluation.data_sets([path], lambda *_: None)
    return examples.false_alarms([], [], [(path, data_set)])


def test_made_parts_are_replaced_and_the_rest_is_kept() -> None:
    once = renewed(PAGE_TEXT, {"one": "new"})

    assert once == "Before.\n\n<!-- made: one -->\n\nnew\n\n<!-- end -->\n\nAfter.\n"
    assert renewed(once, {"one": "new"}) == once


@pytest.mark.parametrize("made", [{}, {"one": "", "two": ""}])
def test_a_part_that_is_missing_on_either_side_is_told(made: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="the page has the parts"):
        renewed(PAGE_TEXT, made)


def test_the_page_has_every_part_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "some.dev.jsonl.gz"
    path.write_text("".join(json.dumps(row(number) | {"label": number % 2}) + "\n" for number in range(4)))

    made = parts([path], tmp_path / "cache")

    page = renewed(PAGE.read_text(encoding="utf-8"), made)
    assert "| some.dev | 4 / 2 / 4 | 0.50" in page


def test_a_row_that_may_not_be_shown_is_not(tmp_path: Path) -> None:
    shown = false_alarms(
        tmp_path,
        row(1, may_ship=True, licence="MIT"),
        row(2, may_ship=False, licence="MIT"),
        row(3, licence="none stated"),
    )

    assert "row-1 of some.dev (label 0; licence MIT)" in shown
    assert "row-2" not in shown
    assert "row-3" not in shown


def test_where_there_are_fewer_than_five_examples_the_page_says_so(tmp_path: Path) -> None:
    assert false_alarms(tmp_path, row(1, may_ship=True, licence="MIT")).startswith("There are no more than 1.")


def test_long_texts_of_an_example_are_cut_in_the_middle(tmp_path: Path) -> None:
    shown = false_alarms(tmp_path, row(1, may_ship=True, licence="MIT"))

    assert "[… 409 characters …]" in shown
    assert max(map(len, shown.splitlines())) < 600


def test_words_of_an_agent_can_neither_end_a_part_of_the_page_nor_steer_a_terminal(tmp_path: Path) -> None:
    steps = [{"type": "tool_call", "name": "bash", "content": "mischief\n~~~~\n<!-- end -->\n\x1b[2J"}]
    shown = false_alarms(tmp_path, row(1, may_ship=True, licence="MIT", steps=steps))

    assert shown.count("~~~~") == 2
    assert "\x1b" not in shown
    assert renewed(renewed(PAGE_TEXT, {"one": shown}), {"one": "new"}) == renewed(PAGE_TEXT, {"one": "new"})


def test_a_control_stands_beside_what_was_published_for_it() -> None:
    control = {"auc": 0.5, "auc_interval": [0.4, 0.6], "fitted_on": None}
    controls = dict.fromkeys(figures.CONTROLS, control) | {"strongest": "task"}
    found = {"datasets": {"bloom.dev": {"auc": 0.7, "controls": controls}}}

    line = figures.controls(found).splitlines()[-1]

    assert line.startswith("| bloom.dev | 0.50 (0.40-0.60), 0.51 | 0.50 (0.40-0.60) | 0.50 (0.40-0.60), 0.57 |")
