"""A saved run and this one to what has changed between them, figure by figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from spanwarden_processor.errors import SpanwardenError

_COMPARED = ("auc", "within_group_auc", "recall_at_fpr", "flag_rate", "flag_rate_positives")


class BaselineUnreadable(SpanwardenError):
    """The saved run is none. The message names the file."""


def saved_run(path: Path) -> dict[str, Any]:
    """The data sets of a run that was saved with `eval --json`.

    Raises:
        BaselineUnreadable: the file is something else.
    """
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise BaselineUnreadable(f"--baseline: {path}: {getattr(error, 'strerror', None) or error}") from None
    datasets = value.get("datasets") if isinstance(value, dict) else None
    if not isinstance(datasets, dict) or not all(isinstance(each, dict) for each in datasets.values()):
        raise BaselineUnreadable(f"--baseline: {path}: expected what `spanwarden eval --json` prints")
    return datasets


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list[float | None]]:
    """The figures of a data set that differ, each with its value before and now."""
    old, new = dict(_flat(before)), dict(_flat(now))
    return {name: [old.get(name), new.get(name)] for name in {**old, **new} if old.get(name) != new.get(name)}


def _flat(figures: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    yield "n", figures.get("n")
    for name in _COMPARED:
        value = figures.get(name)
        if isinstance(value, dict):
            yield from ((f"{name} {key}", each) for key, each in value.items())
        else:
            yield name, value
