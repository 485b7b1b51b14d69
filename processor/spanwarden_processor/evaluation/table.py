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
_TOO_FEW: Final = "°"
CONTROLS: Final[Mapping[str, str]] = {
    "keywords": "telling words",
    "category_words": "words of the categories",
    "structure": "structure",
    "structure_own": "structure, fitted to this data set alone",
    "structure_and_length": "structure and total length, fitted to this data set alone",
    "task": "words of the task",
}
"""How each control is called."""


def print_figures(
    console: Console, datasets: Mapping[str, Mapping[str, Any]], mean: Mapping[str, Any], version: str
) -> None:
    """Print the table of all data sets, and what there is to say of each."""
    console.print(_overview(datasets, mean))
    for name, figures in datasets.items():
        console.print(Group(Text(f"\n{neutral(name)}", style="bold"), *_details(figures)))
    console.print(Text(f"\nevaluated with {version}; no data set is pooled with another", style="dim"))


def _overview(datasets: Mapping[str, Mapping[str, Any]], mean: Mapping[str, Any]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        title=f"pos %, neg %: share of positives and of negatives that have a finding. control: AUC of the strongest.\n"
        f"{_TOO_FEW}: so few negatives that the rate allows no false positive at all",
        title_justify="left",
    )
    table.add_column("data set", no_wrap=True)
    for header in ("n/pos/groups", "AUC", "R@0.1%", "R@1%", "R@5%", "in group", "control"):
        table.add_column(header, justify="right")
    table.add_column("pos %", justify="right")
    table.add_column("neg %, mod+, high+", justify="right")
    for name, figures in datasets.items():
        table.add_row(*_line(name, figures))
    if len(mean["datasets"]) > 1:
        table.add_section()
        table.add_row(*_mean_line(mean))
    return table


def _line(name: str, figures: Mapping[str, Any]) -> Iterator[Text]:
    controls = figures["controls"]
    yield Text(neutral(name))
    yield Text(f"{figures['n']}/{figures['positives']}/{figures['groups']}")
    yield Text(with_interval(figures["auc"], figures["auc_interval"]))
    for rate in figures["recall_at_fpr"]:
        yield Text(recall(figures, rate))
    yield Text(number(figures["within_group_auc"]))
    yield Text(number(controls[controls["strongest"]]["auc"] if controls["strongest"] else None))
    yield Text(percent(figures["flag_rate_positives"]["suspicious"]))
    yield Text("/".join(percent(each) for each in figures["flag_rate"].values()))


def _mean_line(mean: Mapping[str, Any]) -> Iterator[Text]:
    yield Text(f"mean of {len(mean['datasets'])}")
    yield Text("unweighted")
    yield Text(with_interval(mean["auc"], mean["auc_interval"]))
    for value in mean["recall_at_fpr"].values():
        yield Text(number(value))
    yield Text("")
    yield Text(number(mean["strongest_control_auc"]))


def _details(figures: Mapping[str, Any]) -> Iterable[RenderableType]:
    positives, negatives = shares(figures, "flag_rate_positives"), shares(figures, "flag_rate")
    yield Text(f"  recall (95 %): {recalls(figures)}; flagged {positives} % of positives, {negatives} % of negatives")
    for name, part in (*figures["views"].items(), *figures["readings"].items()):
        yield Text(f"  {name}: {_short(part)}")
    yield from map(Text, _control_lines(figures["controls"]))
    yield from _rows(figures)
    yield from (Text(_without(name, part, figures)) for name, part in figures["ablation"].items())
    yield from _categories(figures["confusion"])
    for detector, count in figures["failures"].items():
        yield Text(f"  {detector} could not answer on {count} rows", style="red")
    yield from _costs(figures["cost"])
    for name, (before, now) in figures.get("change", {}).items():
        yield Text(f"  {name}: {number(before)} before, {number(now)} now", style="yellow")


def _rows(figures: Mapping[str, Any]) -> Iterator[Text]:
    if figures["left_out"]:
        yield Text(f"  left out, for they have no label: {_counts(figures['left_out'])}", style="dim")
    for label in ("positives", "negatives"):
        if figures["verdicts"][label]:
            yield Text(f"  {label}: {_counts(figures['verdicts'][label])}; {_counts(figures['severities'][label])}")


def _categories(confusion: Mapping[str, Mapping[str, int]]) -> Iterator[Text]:
    for category, found in confusion.items():
        told = _counts({name: count for name, count in found.items() if name not in {"rows", "none"}})
        yield Text(f"  category {neutral(category)}: {found['rows']} rows: {told or 'nothing found'}", style="dim")


def _control_lines(controls: Mapping[str, Any]) -> Iterator[str]:
    for key, name in CONTROLS.items():
        each = controls[key]
        if each["auc"] is not None:
            fitted = f", fitted to {neutral(each['fitted_on'])}" if each["fitted_on"] else ""
            yield f"  control, {name}: AUC {with_interval(each['auc'], each['auc_interval'])}{fitted}"


def _without(name: str, part: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    return (
        f"  {name}: flags {part['positives']} of {figures['positives']} positives "
        f"({part['positives_by_it_alone']} by it alone), {part['negatives']} of {figures['negatives']} negatives "
        f"({part['negatives_by_it_alone']}); without it AUC "
        f"{with_interval(part['auc_without'], part['auc_without_interval'])}"
    )


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
    return (
        f"n {figures['n']}/{figures['positives']}, AUC {with_interval(figures['auc'], figures['auc_interval'])}"
        f"{_strongest(figures.get('controls', {}))}, R@1% {recall(figures, '0.01')}, R@5% {recall(figures, '0.05')}, "
        f"flagged {percent(figures['flag_rate_positives']['suspicious'])} % of positives, "
        f"{percent(figures['flag_rate']['suspicious'])} % of negatives"
    )


def _strongest(controls: Mapping[str, Any]) -> str:
    if (name := controls.get("strongest")) is None:
        return ""
    return f", control {with_interval(controls[name]['auc'], controls[name]['auc_interval'])}"


def recall(figures: Mapping[str, Any], rate: str) -> str:
    """The recall at a rate, marked where the rate allows no false positive."""
    value = figures["recall_at_fpr"][rate]
    return number(value) + (_TOO_FEW if value is not None and not figures["false_positives_allowed"][rate] else "")


def recalls(figures: Mapping[str, Any]) -> str:
    """The recall at each rate, with intervals."""
    return ", ".join(
        f"{100 * float(rate):g} % {with_interval(value, figures['recall_at_fpr_interval'][rate])}"
        for rate, value in figures["recall_at_fpr"].items()
    )


def with_interval(value: float | None, interval: list[float] | None) -> str:
    """A figure and its interval in brackets."""
    return f"{number(value)} ({interval[0]:.2f}-{interval[1]:.2f})" if interval else number(value)


def number(value: float | None) -> str:
    """A figure as it is printed."""
    return _NONE if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def percent(value: float | None) -> str:
    """A share in per cent."""
    return _NONE if value is None else f"{100 * value:.1f}"


def shares(figures: Mapping[str, Any], rates: str) -> str:
    """The share that has a finding, of positives (`flag_rate_positives`) or negatives (`flag_rate`), in per cent."""
    interval = figures[f"{rates}_interval"]["suspicious"]
    between = f" ({100 * interval[0]:.1f}-{100 * interval[1]:.1f})" if interval else ""
    return percent(figures[rates]["suspicious"]) + between


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{neutral(name)} {count}" for name, count in counts.items())
