"""Rules in, scorers out: every rule stands alone, so that a broken one silences no other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from spanwarden_processor.rules import RULES, VERSION, Rule
from spanwarden_processor.session import Session
from spanwarden_processor.types import Finding, Step, StepKind


@dataclass(frozen=True, slots=True)
class RuleScorer:
    """One rule as a scorer. Its findings carry its name and version, whatever the rule wrote there."""

    rule: Rule
    name: str
    kinds: Collection[StepKind]
    version: str = VERSION

    def __call__(self, session: Session, step: Step) -> Iterator[Finding]:
        """Findings of the rule about `step`; whatever the rule raises is let out."""
        return map(self._signed, self.rule(session, step))

    def _signed(self, finding: Finding) -> Finding:
        return finding._replace(detector=self.name, version=self.version)


def rule_scorers(rules: Mapping[StepKind, Collection[Rule]] = RULES) -> tuple[RuleScorer, ...]:
    """One scorer for each rule, named after it, in the order of `rules`."""
    kinds_of: dict[Rule, list[StepKind]] = {}
    for kind, listed in rules.items():
        for rule in listed:
            kinds_of.setdefault(rule, []).append(kind)
    return tuple(RuleScorer(rule, rule.__name__, kinds) for rule, kinds in kinds_of.items())
