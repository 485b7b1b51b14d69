"""Our own metrics: the spool's ledger and counters of events, in the Prometheus format."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from spanwarden_processor.ledger import Ledger

PREFIX = "spanwarden_"


class Described(NamedTuple):
    """A counter: its help text and the names of its labels."""

    text: str
    labels: tuple[str, ...] = ()


COUNTERS: Mapping[str, Described] = {
    "receiver_requests": Described("Export requests received."),
    "receiver_refused_requests": Described("Requests whose sender was told to come again (UNAVAILABLE)."),
    "receiver_invalid_requests": Described("Requests that were not OTLP (INVALID_ARGUMENT)."),
    "receiver_errors": Described("Requests that could not be kept because of an error here."),
    "receiver_unreadable_spans": Described("Spans that do not parse; they are passed on as they came."),
    "exporter_requests": Described("Requests that the backend took."),
    "exporter_retries": Described("Attempts that failed and are made again."),
    "exporter_rejected_spans": Described("Spans in requests that the backend took only in part (partial success)."),
    "scorer_restarts": Described("Scorer processes replaced after death or time-out."),
    "scorer_failed_records": Described("Records forwarded with status error because no scorer survived them."),
    "verdicts": Described("Verdicts written on spans.", ("verdict", "status")),
    "findings": Described("Findings, each counted once.", ("category", "severity", "detector")),
    "findings_dropped": Described("Findings beyond what one session may have."),
    "sessions_apart": Described("Pairs of sessions found to be one too late to join them; both are partial."),
    "sessions_evicted": Described(
        "Sessions whose state was dropped for lack of room; they are partial when they return."
    ),
    "detector_failures": Described("Detectors that could not answer on a step.", ("detector",)),
    "forged_verdicts": Described("Attributes and spans of our own names that came from a sender and were removed."),
}
"""Every counter of the owner process. They start at 0, so that the first event is an increase.

A name with labels is counted as `name:value:value`; the values come from closed sets, never from agents' text."""


class Counters:
    """Counts of events, safe from any thread. A name is a key of COUNTERS, with its label values behind it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: Counter[str] = Counter({name: 0 for name, what in COUNTERS.items() if not what.labels})

    def add(self, name: str, amount: int = 1) -> None:
        """Add to one counter."""
        with self._lock:
            self._values[name] += amount

    def add_all(self, counts: Mapping[str, int]) -> None:
        """Add what the scorer counted."""
        with self._lock:
            self._values.update(counts)

    def sample(self) -> dict[str, int]:
        """Every value as it stands."""
        with self._lock:
            return dict(self._values)


class Sample(NamedTuple):
    """What one look at the process shows. The ledger is that of one commit."""

    ledger: Ledger
    spool_used: float
    counters: Mapping[str, int]
    ready: bool


class MetricsCollector(Collector):
    """Turns a sample into Prometheus families at each scrape."""

    def __init__(self, sample: Callable[[], Sample]) -> None:
        self._sample = sample

    def collect(self) -> Iterable[Metric]:
        """Yield the families; see prometheus_client's custom collectors."""
        sample = self._sample()
        yield from _ledger_families(sample.ledger)
        yield GaugeMetricFamily(PREFIX + "spool_used_ratio", "Share of the spool that holds data.", sample.spool_used)
        yield GaugeMetricFamily(PREFIX + "ready", "1 while spans are taken and scored.", int(sample.ready))
        build = GaugeMetricFamily(PREFIX + "build_info", "The version that runs.", labels=["version"])
        build.add_metric([version("spanwarden")], 1)
        yield build
        for name, what in COUNTERS.items():
            yield _counter_family(name, what, sample.counters)


def _ledger_families(ledger: Ledger) -> Iterable[Metric]:
    for name, text, value in (
        ("accepted", "Spans acknowledged and kept.", ledger.accepted),
        ("generated", "Verdict spans that were made here.", ledger.generated),
        ("forwarded", "Spans that the backend took.", ledger.forwarded),
        ("refused", "Spans that the backend refused for good; they stay in the spool's own table.", ledger.refused),
        ("repeated", "Spans that came again and were acknowledged without a second copy.", ledger.repeated),
    ):
        yield CounterMetricFamily(f"{PREFIX}{name}_spans", text, value)
    yield GaugeMetricFamily(PREFIX + "held_spans", "Spans in the spool: not yet delivered.", ledger.held)


def _counter_family(name: str, what: Described, counters: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, what.text, labels=list(what.labels))
    for key, value in counters.items():
        family_name, *labels = key.split(":")
        if family_name == name:
            family.add_metric(labels, value)
    return family
