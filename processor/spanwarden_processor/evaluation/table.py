"""Figures of data sets to what a person reads: one line each and their details, never a figure over several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from spanwarden_processor.terminal import neutral

_NONE: Final = "-"


def print_figures(console: Console, datasets: Mapping[str, Mapping[str, Any]], version: str) -> None:
    """Print the table of all data sets, and what there is to say of each."""
    console.print(_overview(datasets))
    for name, figures in datasets.items():
        console.print(Group(Text(f"\n{neutral(name)}", style="bold"), *_details(figures)))
    console.print(Text(f"\nevaluated with {version}; no data set is pooled with another", style="dim"))


def _overview(datasets: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        title="pos %, neg %: share of positives and of negatives that have a finding",
        title_justify="left",
    )
    table.add_column("data set", no_wrap=True)
    for header in ("n/pos/groups", "AUC", "R@0.1%", "R@1%", "R@5%", "in group", "structure", "keywords"):
        table.add_column(header, justify="right")
    table.add_column("pos %", justify="right")
    table.add_column("neg %, mod+, high+", justify="right")
    for name, figures in datasets.items():
        table.add_row(*_line(name, figures))
    return table


def _line(name: str, figures: Mapping[str, Any]) -> Iterator[Text]:
    recall, controls = figures["recall_at_fpr"], figures["controls"]
    yield Text(neutral(name))
    yield Text(f"{figures['n']}/{figures['positives']}/{figures['groups']}")
    yield Text(_with_interval(figures["auc"], figures["auc_interval"]))
    for rate in ("0.001", "0.01", "0.05"):
        yield Text(_number(recall[rate]))
    yield Text(_number(figures["within_group_auc"]))
    yield Text(_number(controls["structure"]["auc"]))
    yield Text(_number(controls["keywords"]["auc"]))
    yield Text(_percent(figures["flag_rate_positives"]["suspicious"]))
    yield Text("/".join(_percent(each) for each in figures["flag_rate"].values()))


def _details(figures: Mapping[str, Any]) -> Iterable[RenderableType]:
    for name, part in (*figures["views"].items(), *figures["readings"].items()):
        yield Text(f"  {name}: {_short(part)}")
    for name, part in figures["ablation"].items():
        yield Text(
            f"  {name}: flags {part['positives']} of {figures['positives']} positives "
            f"({part['positives_by_it_alone']} by it alone), {part['negatives']} of {figures['negatives']} negatives "
            f"({part['negatives_by_it_alone']}); without it AUC {_number(part['auc_without'])}"
        )
    for category, found in figures["confusion"].items():
        told = ", ".join(f"{name} {count}" for name, count in found.items() if name not in {"rows", "none"})
        yield Text(f"  category {neutral(category)}: {found['rows']} rows: {told or 'nothing found'}", style="dim")
    for detector, count in figures["failures"].items():
        yield Text(f"  {detector} could not answer on {count} rows", style="red")
    yield from _costs(figures["cost"])
    for name, (before, now) in figures.get("change", {}).items():
        yield Text(f"  {name}: {_number(before)} before, {_number(now)} now", style="yellow")


def _costs(cost: Mapping[str, Any]) -> Iterator[Text]:
    if cost["cpu_seconds_per_session"] is None:
        return
    slowest = ", ".join(f"{neutral(each['id'])} {each['cpu_seconds'] * 1000:.0f} ms" for each in cost["slowest"][:3])
    yield Text(
        f"  {cost['cpu_seconds_per_session'] * 1000:.1f} ms CPU and {cost['seconds_per_session'] * 1000:.1f} ms a "
        f"session of {cost['steps_per_session']:.0f} steps; slowest {slowest}",
        style="dim",
    )


def _short(figures: Mapping[str, Any]) -> str:
    recall = figures["recall_at_fpr"]
    return (
        f"n {figures['n']}/{figures['positives']}, AUC {_with_interval(figures['auc'], figures['auc_interval'])}, "
        f"R@1% {_number(recall['0.01'])}, R@5% {_number(recall['0.05'])}, "
        f"flagged {_percent(figures['flag_rate_positives']['suspicious'])} % of positives, "
        f"{_percent(figures['flag_rate']['suspicious'])} % of negatives"
    )


def _with_interval(value: float | None, interval: list[float] | None) -> str:
    return f"{_number(value)} ({interval[0]:.2f}-{interval[1]:.2f})" if interval else _number(value)


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def _percent(value: float | None) -> str:
    return _NONE if value is None else f"{100 * value:.1f}"
