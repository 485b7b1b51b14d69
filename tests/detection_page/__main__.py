"""`make detection`: measure, and write the made parts of `docs/detection.md` anew; the rest of it is left as it is."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from detection_page import examples, figures, suites
from detection_page.page import renewed
from spanwarden_processor.config import default_data_dir
from spanwarden_processor.evaluation.cache import Cache, code_version
from spanwarden_processor.evaluation.rows import split_of
from spanwarden_processor.evaluation.run import DataSet, Evaluation
from spanwarden_processor.scorers.rules import rule_scorers

PAGE = Path(__file__).parents[2] / "docs" / "detection.md"


def main() -> None:
    """Measure the rows in a folder and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of labelled runs (NAME.dev.jsonl.gz and so on)")
    arguments = parser.parse_args()
    cache = default_data_dir() / "eval" / "results.sqlite"
    paths = sorted(arguments.data.glob("*.jsonl.gz"))
    if not paths:
        parser.error(f"{arguments.data}: no *.jsonl.gz in there")
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), parts(paths, cache)), encoding="utf-8")


def parts(paths: Sequence[Path], cache: Path) -> Mapping[str, str]:
    """Every made part of the page, by its name."""
    found = measured([path for path in paths if split_of(path) != "train"], cache)
    tried, ordinary = suites.tried_scenarios(), suites.ordinary_sessions()
    return {
        "version": f"Code: `{found['version']}`. Calibration: none; scores are the rules' own.",
        "overview": figures.overview(found),
        "recalls": figures.recalls(found),
        "controls": figures.controls(found),
        "readings": figures.readings(found),
        "left-out": figures.left_out(found),
        "severities": figures.severities(found),
        "rules": figures.rules(found),
        "costs": figures.costs(found),
        "scenarios": suites.scenarios(tried),
        "ordinary": suites.ordinary(ordinary),
        "right": examples.right(tried),
        "false-alarms": examples.false_alarms(tried, ordinary, shown_sets(paths, cache)),
        "missed": examples.missed(tried),
    }


def measured(paths: Sequence[Path], cache: Path) -> dict[str, Any]:
    """What `spanwarden eval --json` prints of the files."""
    command = [sys.executable, "-m", "spanwarden_processor", "eval", "--json", "--cache", str(cache), *map(str, paths)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def shown_sets(paths: Sequence[Path], cache: Path) -> Iterator[tuple[Path, DataSet]]:
    """All files but the diagnostic ones, judged, for false alarms that may be shown: development rows first."""
    chosen = sorted((path for path in paths if split_of(path) != "diagnostic"), key=lambda path: split_of(path))
    with closing(Cache(cache, code_version())) as results:
        evaluation = Evaluation(rule_scorers, results, os.cpu_count() or 1, ("all",))
        yield from zip(chosen, evaluation.data_sets(chosen, lambda *_: None), strict=True)


if __name__ == "__main__":
    main()
