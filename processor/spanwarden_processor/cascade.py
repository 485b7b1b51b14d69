"""New steps to findings: each step is admitted to its session, every scorer is asked, every claim is checked."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, get_args

import xxhash

from spanwarden_processor.assemble import NewStep, Sighting
from spanwarden_processor.evidence import found, secrets_near, short, shown
from spanwarden_processor.scorers import Scorer
from spanwarden_processor.scoring_settings import ScoringSettings
from spanwarden_processor.secrets import redact
from spanwarden_processor.session import Session
from spanwarden_processor.severity import severity_of
from spanwarden_processor.tracked import TrackedSession, worse
from spanwarden_processor.types import Failure, Finding, JudgedFinding, Status, Step, StepKind, VerdictLabel

MODERATE: Final = 2
_log = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """What was newly found in one span, and which detectors could not answer."""

    findings: tuple[JudgedFinding, ...]
    failures: tuple[Failure, ...]
    dropped: int = 0
    """Findings beyond what one session may have."""


NOTHING: Final = Outcome((), ())
"""What nearly every span comes to."""


class Cascade:
    """Asks the scorers, in their order. It remembers nothing but which failures were logged."""

    def __init__(self, scorers: Sequence[Scorer], settings: ScoringSettings) -> None:
        """Ask these scorers about the new steps of their kinds."""
        self._scorers = {kind: [each for each in scorers if kind in each.kinds] for kind in get_args(StepKind)}
        self._settings = settings
        self._logged: set[str] = set()

    def judge(self, sighting: Sighting) -> Outcome:
        """Admit the new steps and judge each. The session keeps what is found, by the step that completes it."""
        if not sighting.new:
            return NOTHING
        findings: list[JudgedFinding] = []
        failures: list[Failure] = []
        dropped = 0
        tracked = sighting.tracked
        for new in sighting.new:
            step = tracked.session.admit(new.step)
            claims = self._ask(tracked.session, step, failures)
            if not claims:
                continue
            judged = self._judged(claims, tracked, new, failures)
            room = self._settings.limits.findings_per_session - tracked.findings_count
            tracked.found(new.identity, judged[:room])
            findings += judged[:room]
            dropped += len(judged[room:])
        tracked.forgot = tracked.session.evicted
        return Outcome(tuple(findings), tuple(failures), dropped) if findings or failures or dropped else NOTHING

    def _ask(self, session: Session, step: Step, failures: list[Failure]) -> list[Finding]:
        claims: list[Finding] = []
        for scorer in self._scorers[step.kind]:
            try:
                claims += scorer(session, step)
            except Exception as error:  # noqa: BLE001 - a detector may fail in any way; it must not take others along
                failures.append(self._failure(scorer.name, error))
        return claims

    def _judged(
        self, claims: Iterable[Finding], tracked: TrackedSession, new: NewStep, failures: list[Failure]
    ) -> list[JudgedFinding]:
        judged: dict[str, JudgedFinding] = {}
        for claim in claims:
            try:
                finding = self._check(claim, tracked, new)
            except Exception as error:  # noqa: BLE001 - a claim in which a detector put what no claim may hold
                failures.append(self._failure(claim.detector, error))
            else:
                judged.setdefault(finding.finding_id, finding)
        return list(judged.values())

    def _check(self, claim: Finding, tracked: TrackedSession, new: NewStep) -> JudgedFinding:
        mode, key = self._settings.evidence, self._settings.fingerprint_key
        places = [found(each) for each in claim.evidence]
        secrets = set(tracked.session.secret_values()).union(*map(secrets_near, places))
        evidence = tuple(shown(place, mode, key, secrets) for place in places)
        verified = bool(evidence) and all(each.verified for each in evidence)
        severity, number = severity_of(claim, verified=verified)
        label: VerdictLabel = "misaligned" if verified and number >= MODERATE else "suspicious"
        explanation = short(redact(claim.explanation, key, secrets))
        finding = claim._replace(evidence=evidence, explanation=explanation)
        finding_id = _finding_id(claim, tracked.session_id, new)
        return JudgedFinding(finding_id, tracked.session_id, tracked.service, finding, severity, number, label)

    def _failure(self, detector: str, error: Exception) -> Failure:
        if detector not in self._logged:
            self._logged.add(detector)
            _log.error("the detector %s fails; further failures of it are only counted", detector, exc_info=error)
        return Failure(detector, f"{type(error).__name__}: {error}")


def status_of(sighting: Sighting, outcome: Outcome) -> Status:
    """How far the span could be judged; its session remembers the worst. A run's root stands for all of its session."""
    operation, tracked = sighting.activity.reading.operation, sighting.tracked
    status: Status = "error" if outcome.failures else sighting.status
    if tracked.partial:
        status = worse(status, "partial")
    if operation == "agent":
        return worse(status, tracked.status if tracked.judged else "no_content")
    if operation != "other":
        tracked.judged = True
        if status != "ok":
            tracked.status = worse(tracked.status, status)
    return status


def _finding_id(claim: Finding, session_id: str, new: NewStep) -> str:
    name = f"{session_id}\0{claim.category}\0{new.identity.hex()}\0{claim.detector}"
    return xxhash.xxh3_128_hexdigest(name.encode("utf-8", "replace"))
