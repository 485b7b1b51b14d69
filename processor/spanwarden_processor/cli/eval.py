"""`spanwarden eval`: how well the detectors do on labelled runs, each file a data set of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from spanwarden_processor import config
from spanwarden_processor.errors import ConfigurationError
from spanwarden_processor.evaluation.cache import Cache, code_version
from spanwarden_processor.evaluation.compare import changes, saved_run
from spanwarden_processor.evaluation.mean import Part, mean_of
from spanwarden_processor.evaluation.measure import scores_in
from spanwarden_processor.evaluation.run import DataSet, Evaluation, dump_lines
from spanwarden_processor.evaluation.table import print_figures
from spanwarden_processor.scorers.rules import rule_scorers

WIDTH_WITHOUT_TERMINAL = 160


def evaluate(  # noqa: PLR0913 - one parameter a flag
    files: Annotated[list[Path], typer.Argument(help="Labelled runs: JSON Lines, gzipped or not.", show_default=False)],
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Processes that judge [one a core].")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as one JSON object.")] = False,
    dump: Annotated[Path | None, typer.Option(help="Write what was said of each row here, as JSON Lines.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="Compare with a run saved by --json.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Results by which a run is resumed [in the data directory].")
    ] = None,
    fresh: Annotated[bool, typer.Option(help="Judge every row anew, and keep no results.")] = False,
) -> None:
    """Measure the detectors on labelled runs, each data set by itself.

    Printed are AUC, recall at fixed false-positive rates, and controls. Only the field `steps` of a row is
    shown to the detectors. Nothing is fitted to the rows: the threshold is the verdict that ships. A run that was
    interrupted goes on where it was, as long as the code is the same.
    """
    before = saved_run(baseline) if baseline else {}
    code = code_version()
    place = None if fresh else cache or config.default_data_dir() / "eval" / "results.sqlite"
    with closing(Cache(place, code)) as results:
        evaluation = Evaluation(rule_scorers, results, workers or os.cpu_count() or 1)
        parts = list(_parts(evaluation, files, dump, before))
    datasets, mean = {part.name: part.figures for part in parts}, mean_of(parts)
    if as_json:
        found = {"datasets": datasets, "mean": mean, "version": code, "calibration": None}
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        print_figures(_console(), datasets, mean, code)


def _parts(
    evaluation: Evaluation, files: Sequence[Path], dump: Path | None, before: Mapping[str, Any]
) -> Iterator[Part]:
    try:
        out = dump.open("w", encoding="utf-8") if dump else nullcontext()
    except OSError as error:
        raise ConfigurationError(f"--dump: {dump}: {error.strerror}") from None
    with out as file:
        for data_set in _with_progress(evaluation, files):
            figures = dict(data_set.figures)
            if data_set.name in before:
                figures["change"] = changes(before[data_set.name], figures)
            if file is not None:
                file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in dump_lines(data_set))
            labelled = [row for row in data_set.rows if row.facts.label is not None]
            yield Part(data_set.name, scores_in(labelled, "all"), figures)


def _with_progress(evaluation: Evaluation, files: Sequence[Path]) -> Iterator[DataSet]:
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bars = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=total)
            progress.update(bars[name], completed=done)

        yield from evaluation.data_sets(files, show)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)
