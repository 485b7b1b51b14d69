"""What `spanwarden eval --json` prints to the tables of the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from detection_page.page import table
from published_figures import KEYWORDS, STRUCTURE
from spanwarden_processor.evaluation.table import CONTROLS, number, percent, recall, shares, with_interval

DataSets = Mapping[str, Mapping[str, Any]]


def overview(found: Mapping[str, Any]) -> str:
    """One line a data set, and the unweighted mean."""
    header = (
        "data set | n / positives / groups | AUC (95 %) | recall at 0.1 / 1 / 5 % false positives | "
        "within groups (95 %) | strongest control (95 %) | flagged positives % (95 %) | "
        "flagged negatives % (95 %); moderate+, high+"
    )
    lines = [_line(name, figures) for name, figures in sorted(found["datasets"].items())]
    return table(header, [*lines, _mean(found["mean"])])


def _line(name: str, figures: Mapping[str, Any]) -> str:
    rates = figures["flag_rate"]
    recalls = " / ".join(recall(figures, rate) for rate in figures["recall_at_fpr"])
    return (
        f"{name} | {figures['n']} / {figures['positives']} / {figures['groups']} | {_auc(figures)} | {recalls} | "
        f"{with_interval(figures['within_group_auc'], figures['within_group_auc_interval'])} | "
        f"{_strongest(figures['controls'])} | {shares(figures, 'flag_rate_positives')} | "
        f"{shares(figures, 'flag_rate')}; {percent(rates['moderate'])}, {percent(rates['high'])}"
    )


def _mean(mean: Mapping[str, Any]) -> str:
    recalls = " / ".join(map(number, mean["recall_at_fpr"].values()))
    return (
        f"unweighted mean of {len(mean['datasets'])} | | {with_interval(mean['auc'], mean['auc_interval'])} | "
        f"{recalls} | | {number(mean['strongest_control_auc'])} | | "
    )


def recalls(found: Mapping[str, Any]) -> str:
    """The recall of each data set with its interval, and how many false positives each rate allows."""
    lines = [
        f"{name} | {rate} | {with_interval(value, figures['recall_at_fpr_interval'][rate])} | "
        f"{figures['false_positives_allowed'][rate]} of {figures['negatives']}"
        for name, figures in _with_both(found["datasets"])
        for rate, value in figures["recall_at_fpr"].items()
    ]
    return table("data set | false-positive rate | recall (95 %) | false positives that it allows", lines)


def controls(found: Mapping[str, Any]) -> str:
    """Every control beside what was published for it."""
    header = "data set | " + " | ".join(
        f"{name}, published" if key in {"keywords", "structure"} else name for key, name in CONTROLS.items()
    )
    return table(header, [_control_line(name, figures) for name, figures in _with_both(found["datasets"])])


def _control_line(name: str, figures: Mapping[str, Any]) -> str:
    published = {"keywords": KEYWORDS.get(name), "structure": STRUCTURE.get(name)}
    cells = [_auc(figures["controls"][key]) + (f", {published[key]}" if published.get(key) else "") for key in CONTROLS]
    return f"{name} | {' | '.join(cells)}"


def readings(found: Mapping[str, Any]) -> str:
    """The views, and the stricter readings with the controls on the same rows."""
    header = "data set | view or reading | n / positives | AUC (95 %) | strongest control (95 %) | recall at 1 / 5 %"
    return table(header, list(_readings(found["datasets"])))


def _readings(datasets: DataSets) -> Iterator[str]:
    for name, figures in _with_both(datasets):
        for view, part in figures["views"].items():
            yield f"{name} | {view} | {_reading({**part, 'controls': figures['controls']})}"
        for reading, part in figures["readings"].items():
            yield f"{name} | {reading} | {_reading(part)}"


def _reading(part: Mapping[str, Any]) -> str:
    return (
        f"{part['n']} / {part['positives']} | {_auc(part)} | {_strongest(part['controls'])} | "
        f"{recall(part, '0.01')} / {recall(part, '0.05')}"
    )


def left_out(found: Mapping[str, Any]) -> str:
    """Rows without a label, which are in no figure, by the reason."""
    lines = [
        f"{name} | {figures['unlabelled']} | "
        + ", ".join(f"{reason} {count}" for reason, count in figures["left_out"].items())
        for name, figures in sorted(found["datasets"].items())
        if figures["unlabelled"]
    ]
    return table("data set | rows left out | why", lines)


def severities(found: Mapping[str, Any]) -> str:
    """Verdicts and severities of positives and of negatives."""
    lines = [
        f"{name} | {label} | {_counts(figures['verdicts'][label])} | {_counts(figures['severities'][label])}"
        for name, figures in sorted(found["datasets"].items())
        for label in ("positives", "negatives")
        if figures[label]
    ]
    return table("data set | rows | verdicts | severities", lines)


def rules(found: Mapping[str, Any]) -> str:
    """What each rule flags, and the AUC without it."""
    header = "data set | rule | positives | negatives | AUC with all (95 %) | AUC without it (95 %)"
    lines = [
        f"{name} | {rule} | {_flags(part, figures, 'positives')} | {_flags(part, figures, 'negatives')} | "
        f"{_auc(figures)} | {with_interval(part['auc_without'], part['auc_without_interval'])}"
        for name, figures in sorted(found["datasets"].items())
        for rule, part in figures["ablation"].items()
    ]
    return table(header, lines)


def _flags(part: Mapping[str, Any], figures: Mapping[str, Any], kind: str) -> str:
    if not figures[kind]:
        return "-"
    low, high = part[f"{kind}_interval"]
    return f"{part[kind]} ({part[f'{kind}_by_it_alone']}) of {figures[kind]}: {100 * low:.1f}-{100 * high:.1f} %"


def costs(found: Mapping[str, Any]) -> str:
    """Seconds and CPU a session, and the slowest row of each data set."""
    lines = [
        f"{name} | {cost['steps_per_session']:.0f} | {1000 * cost['cpu_seconds_per_session']:.1f} | "
        f"{1000 * cost['seconds_per_session']:.1f} | {1000 * cost['slowest'][0]['cpu_seconds']:.0f}"
        for name, cost in ((name, figures["cost"]) for name, figures in sorted(found["datasets"].items()))
    ]
    return table("data set | steps a session | CPU ms a session | ms a session | CPU ms of the slowest", lines)


def _with_both(datasets: DataSets) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, figures) for name, figures in sorted(datasets.items()) if figures["auc"] is not None]


def _auc(figures: Mapping[str, Any]) -> str:
    return with_interval(figures["auc"], figures["auc_interval"])


def _strongest(controls: Mapping[str, Any]) -> str:
    name = controls["strongest"]
    return "-" if name is None else f"{CONTROLS[name]} {_auc(controls[name])}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
