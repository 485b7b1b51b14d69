"""Every row of the matrix in the documentation says yes, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "instrumentation.md"


def _rows() -> list[str]:
    matrix = PAGE.read_text().split("## Matrix")[1].split("## ")[0]
    return [line for line in matrix.splitlines() if line.startswith("| ")][1:]


def _functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_the_matrix_has_its_rows() -> None:
    assert len(_rows()) >= 40


@pytest.mark.parametrize("row", _rows())
def test_a_row_says_yes_and_names_tests_that_exist(row: str) -> None:
    answer = row.split("|")[2]
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", answer)

    assert answer.strip().startswith("yes · ")
    assert named
    assert [name for path, name in named if name not in _functions(TESTS / path)] == []
