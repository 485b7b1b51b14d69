"""Settings in, scoring out: the one place that names the parts of the scorer process."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from spanwarden_processor.pipeline import Pipeline
from spanwarden_processor.report import failed_patch
from spanwarden_processor.scorer_process import ScoreFunctions
from spanwarden_processor.scorers.rules import rule_scorers
from spanwarden_processor.scoring_settings import ScoringSettings

__all__ = ["ScoringSettings", "build_pipeline", "build_scorer", "mark_failed"]


def build_pipeline(settings: ScoringSettings, known_sessions: Sequence[str] = ()) -> Pipeline:
    """A pipeline with every detector. `known_sessions` had spans before."""
    return Pipeline(rule_scorers(), settings, known_sessions)


def build_scorer(settings: ScoringSettings, known_sessions: Sequence[str]) -> ScoreFunctions:
    """What a scorer process does with these settings. `known_sessions` were seen by the process before it."""
    pipeline = build_pipeline(settings, known_sessions)
    return ScoreFunctions(pipeline.score, pipeline.tick)


def mark_failed(request: bytes) -> bytes:
    """The patch for a record that no scorer survived: its GenAI spans are unknown, with status error."""
    return failed_patch(request, f"spanwarden/{version('spanwarden')}")
