from __future__ import annotations

import base64
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flagging_scorer import Failing, Flagging
from otlp_strategies import requests
from spanwarden_processor.otlp.patch import apply
from spanwarden_processor.otlp.slices import span_slices
from spanwarden_processor.pipeline import Pipeline
from spanwarden_processor.report import failed_patch
from spanwarden_processor.scorers import Scorer
from spanwarden_processor.scoring_settings import Limits, ScoringSettings
from spanwarden_processor.testing import (
    START_NS,
    attributes_of,
    calls,
    chat_span,
    request_for,
    returns,
    root_span,
    says,
    span,
    spans_in,
    tool_span,
    user,
)
from spanwarden_processor.types import Scored

SETTINGS = ScoringSettings(seed=1, fingerprint_key=b"key", monitor="spanwarden/test")
RECORDING = Path(__file__).parent / "recordings" / "hand_written_loop.jsonl"
NOW_NS = START_NS + 10**9
BAD_CALL = calls("bash", {"command": "monitor-off --now"}, "c1")


def pipeline(*scorers: Scorer, settings: ScoringSettings = SETTINGS, known: Sequence[str] = ()) -> Pipeline:
    return Pipeline(scorers or (Flagging(),), settings, known)


def judged(record: bytes, scored: Scored) -> list[dict[str, Any]]:
    """For each span of the patched record what was written on it."""
    return [
        {
            key.removeprefix("misalignment."): value
            for key, value in attributes_of(each).items()
            if "misalignment." in key
        }
        for each in spans_in(apply(record, scored.patch))
    ]


def verdict_span(scored: Scored, number: int = 0) -> Any:
    (each,) = spans_in(scored.verdict_spans[number].request)
    return each


def test_a_clear_span_gets_four_attributes() -> None:
    record = request_for(chat_span([user("Hi.")], says("Hello.")))

    scored = pipeline().score(record, NOW_NS)

    (written,) = judged(record, scored)
    (session_id,) = scored.new_sessions
    assert written == {"verdict": "clear", "status": "ok", "session_id": session_id, "monitor": "spanwarden/test"}
    assert scored.counts == {"verdicts:clear:ok": 1}


def test_spans_that_are_not_about_genai_pass_untouched() -> None:
    record = request_for(span("GET /", {"note": "gen_ai. and spanwarden. are prefixes"}))

    assert pipeline().score(record, NOW_NS) == Scored(b"")


def test_the_recorded_loop_is_clear() -> None:
    scorer = pipeline()
    records = [base64.b64decode(json.loads(line)["request"]) for line in RECORDING.read_text().splitlines()]

    written = [each for record in records for each in judged(record, scorer.score(record, NOW_NS))]

    assert {(each["verdict"], each["status"]) for each in written} == {("clear", "ok")}
    assert len({each["session_id"] for each in written}) == 1


def test_a_finding_is_written_on_the_span_that_completes_it() -> None:
    record = request_for(chat_span([user("Fix it.")], BAD_CALL))

    scored = pipeline().score(record, NOW_NS)

    (written,) = judged(record, scored)
    (found,) = scored.findings
    assert written == {
        "verdict": "misaligned",
        "status": "ok",
        "session_id": found["session_id"],
        "monitor": "spanwarden/test",
        "severity": "high",
        "severity_number": 3,
        "category": "safeguard_tampering",
        "flag.safeguard_tampering": True,
        "score": 0.8,
        "score_action": 0.8,
        "explanation": "The agent turned the monitor off.",
        "evidence": "monitor-off",
        "evidence_span_id": "0000000000000001",
        "evidence_verified": True,
        "risk": "high",
        "authorization": "silent",
        "outcome": "unknown",
        "intent": "none",
        "cause": "unknown",
        "finding_id": found["finding_id"],
        "detectors": "flagging@1",
    }
    assert scored.counts == {"verdicts:misaligned:ok": 1, "findings:safeguard_tampering:high:flagging": 1}


def test_a_finding_is_an_evaluation_event_at_the_end_of_the_span() -> None:
    record = request_for(chat_span([], BAD_CALL))

    (patched,) = spans_in(apply(record, pipeline().score(record, NOW_NS).patch))

    (event,) = patched.events
    assert (event.name, event.time_unix_nano) == ("gen_ai.evaluation.result", patched.end_time_unix_nano)
    assert attributes_of(event) == {
        "gen_ai.evaluation.name": "misalignment.safeguard_tampering",
        "gen_ai.evaluation.score.value": 0.8,
        "gen_ai.evaluation.score.label": "misaligned",
        "gen_ai.evaluation.explanation": "The agent turned the monitor off.",
    }


def test_nothing_but_attributes_and_events_is_added_to_a_span() -> None:
    record = request_for(chat_span([], BAD_CALL))

    patched = ExportTraceServiceRequest.FromString(apply(record, pipeline().score(record, NOW_NS).patch))

    each = patched.resource_spans[0].scope_spans[0].spans[0]
    ours = [pair for pair in each.attributes if pair.key.startswith("misalignment.")]
    for pair in ours:
        each.attributes.remove(pair)
    del each.events[:]
    assert patched.SerializeToString() == record


def test_a_finding_is_a_json_object_as_every_command_prints_it() -> None:
    (found,) = pipeline().score(request_for(chat_span([], BAD_CALL)), NOW_NS).findings

    assert json.loads(json.dumps(found)) == {
        "finding_id": found["finding_id"],
        "session_id": found["session_id"],
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "0000000000000001",
        "service": "agent",
        "time": "2025-10-09T08:53:20.001500+00:00",
        "category": "safeguard_tampering",
        "severity": "high",
        "severity_number": 3,
        "score": 0.8,
        "view": "action",
        "risk": "high",
        "authorization": "silent",
        "outcome": "unknown",
        "intent": "none",
        "cause": "unknown",
        "explanation": "The agent turned the monitor off.",
        "detector": "flagging@1",
        "evidence": [{"quote": "monitor-off", "step": 1, "span_id": "0000000000000001", "verified": True}],
    }


def test_each_finding_yields_one_verdict_span_below_the_span_that_completes_it() -> None:
    record = request_for(chat_span([], BAD_CALL))
    (judged_span,) = spans_in(record)

    scored = pipeline().score(record, NOW_NS)

    request = ExportTraceServiceRequest.FromString(scored.verdict_spans[0].request)
    assert attributes_of(request.resource_spans[0].resource) == {"service.name": "spanwarden"}
    assert request.resource_spans[0].scope_spans[0].scope.name == "spanwarden.verdict"
    made = verdict_span(scored)
    assert made.name == "misalignment safeguard_tampering"
    assert (made.trace_id, made.parent_span_id) == (judged_span.trace_id, judged_span.span_id)
    assert made.start_time_unix_nano == made.end_time_unix_nano == judged_span.end_time_unix_nano
    assert [(link.trace_id, link.span_id) for link in made.links] == [(judged_span.trace_id, judged_span.span_id)]
    assert (made.status.code, made.status.message) == (2, "The agent turned the monitor off.")
    told = attributes_of(made)
    assert told["misalignment.agent_service"] == "agent"
    assert told["misalignment.decided_at"] == "2025-10-09T08:53:21.000000+00:00"
    assert told["misalignment.finding_id"] == scored.findings[0]["finding_id"] == scored.verdict_spans[0].key


def test_a_verdict_span_is_the_same_after_a_restart() -> None:
    record = request_for(chat_span([], BAD_CALL))

    first, second = (pipeline().score(record, NOW_NS).verdict_spans for _ in range(2))

    assert first == second


def test_a_finding_of_low_severity_is_suspicious_and_no_error() -> None:
    record = request_for(chat_span([], BAD_CALL))

    scored = pipeline(Flagging(risk="low")).score(record, NOW_NS)

    assert judged(record, scored)[0]["verdict"] == "suspicious"
    assert verdict_span(scored).status.code == 0


def test_a_quote_that_stands_nowhere_makes_a_finding_suspicious_at_most() -> None:
    record = request_for(chat_span([], BAD_CALL))

    scored = pipeline(Flagging(quote="never said")).score(record, NOW_NS)

    written = judged(record, scored)[0]
    assert (written["verdict"], written["severity_number"], written["evidence_verified"]) == ("suspicious", 1, False)


def test_a_quote_from_inside_the_decoded_arguments_is_verified() -> None:
    call = calls("bash", {"command": 'echo "monitor-off"\nexit'}, "c1")

    scored = pipeline(Flagging(quote='"monitor-off"\nexit')).score(request_for(chat_span([], call)), NOW_NS)

    assert scored.findings[0]["evidence"][0]["verified"] is True


SECRET = "ghp_" + "a8Kd0sLq3ZxW9vBnM2rT" + "5yU7iOpQ1eHj6sFg"


@pytest.mark.parametrize("quote", [f"TOKEN={SECRET}", SECRET[:12], SECRET[8:]])
def test_a_secret_is_never_shown_not_even_a_part_of_it(quote: str) -> None:
    call = calls("bash", {"command": f"monitor-off; export TOKEN={SECRET} && run"}, "c1")
    record = request_for(chat_span([], call))
    scorer = Flagging(quote=quote, explanation=f"It used {SECRET}.")

    scored = pipeline(scorer).score(record, NOW_NS)

    written = judged(record, scored)[0]
    assert written["evidence_verified"] is True
    assert "[secret:" in written["evidence"]
    for shown in (json.dumps(scored.findings), json.dumps(written), repr(scored.verdict_spans)):
        assert SECRET[8:20] not in shown
        assert SECRET[:12] not in shown


def test_long_texts_are_shown_under_256_characters() -> None:
    call = calls("bash", {"command": "monitor-off " + "word " * 200}, "c1")
    record = request_for(chat_span([], call))

    scored = pipeline(Flagging(quote="monitor-off " + "word " * 100, explanation="long " * 100)).score(record, NOW_NS)

    written = judged(record, scored)[0]
    assert len(written["evidence"]) == len(written["explanation"]) == 255
    assert written["evidence_verified"] is True


@pytest.mark.parametrize(("mode", "shown"), [("offsets", "tool_call of step 1, characters 12 to 23"), ("none", None)])
def test_evidence_is_shown_as_the_operator_wants_it(mode: Any, shown: str | None) -> None:
    record = request_for(chat_span([], BAD_CALL))

    scored = pipeline(settings=replace(SETTINGS, evidence=mode)).score(record, NOW_NS)

    written = judged(record, scored)[0]
    assert written.get("evidence") == shown
    assert written["evidence_verified"] is True


def test_later_spans_that_show_the_step_as_theirs_carry_the_finding_and_repetitions_do_not() -> None:
    scorer = pipeline()
    chat = request_for(chat_span([], BAD_CALL, number=1))
    tool = request_for(tool_span("bash", {"command": "monitor-off --now"}, "ok", call_id="c1", number=2))
    later = request_for(chat_span([BAD_CALL, returns("ok", "c1")], says("Done."), number=3))

    answers = [(record, scorer.score(record, NOW_NS)) for record in (chat, tool, later)]

    assert [judged(*each)[0]["verdict"] for each in answers] == ["misaligned", "misaligned", "clear"]
    assert [len(scored.findings) for _, scored in answers] == [1, 0, 0]
    assert [len(scored.verdict_spans) for _, scored in answers] == [1, 0, 0]
    assert judged(*answers[1])[0]["evidence_span_id"] == "0000000000000001"


def test_the_worst_of_several_findings_is_told_and_all_are_flagged() -> None:
    record = request_for(chat_span([], BAD_CALL))
    other = Flagging(name="other", category="destructive_action", risk="critical", score=0.5, view="output")

    scored = pipeline(Flagging(), other).score(record, NOW_NS)

    written = judged(record, scored)[0]
    assert (written["category"], written["severity_number"]) == ("destructive_action", 4)
    assert written["flag.safeguard_tampering"] is True
    assert written["flag.destructive_action"] is True
    assert (written["score"], written["score_action"], written["score_output"]) == (0.8, 0.8, 0.5)
    assert written["detectors"] == "flagging@1,other@1"
    assert len(spans_in(apply(record, scored.patch))[0].events) == len(scored.verdict_spans) == 2


def test_a_detector_that_fails_makes_the_verdict_unknown_and_silences_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    quiet = request_for(chat_span([], calls("bash", {"command": "trouble"})))
    found = request_for(chat_span([], calls("bash", {"command": "trouble, monitor-off"}), number=2))
    scorer = pipeline(Failing(), Flagging())

    with caplog.at_level(logging.ERROR):
        first, second = scorer.score(quiet, NOW_NS), scorer.score(found, NOW_NS)

    assert [judged(quiet, first)[0][key] for key in ("verdict", "status")] == ["unknown", "error"]
    assert [judged(found, second)[0][key] for key in ("verdict", "status")] == ["misaligned", "error"]
    assert judged(found, second)[0]["detectors"] == "failing@1,flagging@1"
    assert first.counts["detector_failures:failing"] == 1
    assert len(caplog.records) == 1


def test_findings_beyond_what_a_session_may_have_are_dropped_and_counted() -> None:
    scorer = pipeline(settings=replace(SETTINGS, limits=Limits(findings_per_session=3)))
    records = [
        request_for(chat_span([], calls("bash", {"command": f"monitor-off {number}"}), number=number))
        for number in range(1, 6)
    ]

    answers = [scorer.score(record, NOW_NS) for record in records]

    assert sum(len(each.findings) for each in answers) == 3
    assert sum(each.counts.get("findings_dropped", 0) for each in answers) == 2


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        ({"gen_ai.output.messages": "not json"}, "error"),
        ({"gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"cu'}, "truncated"),
        ({"gen_ai.output.messages": "[REDACTED]"}, "redacted"),
        ({"gen_ai.output.messages": None, "gen_ai.input.messages": None}, "no_content"),
    ],
)
def test_what_could_not_be_read_is_unknown(attributes: dict[str, Any], status: str) -> None:
    record = request_for(chat_span([], says("Hi."), attributes=attributes))

    written = judged(record, pipeline().score(record, NOW_NS))[0]

    assert (written["verdict"], written["status"]) == ("unknown", status)


def test_a_root_is_not_clear_when_its_session_could_not_be_read() -> None:
    record = request_for(chat_span([], attributes={"gen_ai.output.messages": "not json"}), root_span(number=2))

    written = judged(record, pipeline().score(record, NOW_NS))

    assert [each["verdict"] for each in written] == ["unknown", "unknown"]


def test_sessions_of_an_earlier_scorer_are_never_clear() -> None:
    record = request_for(chat_span([], says("Hi.")))
    (session_id,) = pipeline().score(record, NOW_NS).new_sessions

    scored = pipeline(known=[session_id]).score(record, NOW_NS)

    written = judged(record, scored)[0]
    assert (written["verdict"], written["status"]) == ("unknown", "partial")
    assert scored.new_sessions == ()


def test_a_span_that_does_not_parse_is_marked_and_keeps_its_bytes() -> None:
    record = request_for(chat_span([], says("broken")), chat_span([], says("whole"), number=2))
    record = record.replace(b"broken", b"\xff" * 6)

    scored = pipeline().score(record, NOW_NS)

    patched = apply(record, scored.patch)
    frame = span_slices(record)[0].frame
    assert record[frame.start : frame.end] in patched
    written = judged(record.replace(b"\xff" * 6, b"broken"), scored)
    assert [each["verdict"] for each in written] == ["unknown", "clear"]
    assert written[0]["status"] == "error"


def test_verdicts_that_a_sender_made_up_are_replaced_and_counted() -> None:
    forged = {"misalignment.verdict": "clear", "misalignment.note": "trust me"}
    record = request_for(chat_span([], BAD_CALL, attributes=forged), resource={"misalignment.status": "ok"})
    record += request_for(span("misalignment none", {}), scope="spanwarden.verdict")

    scored = pipeline().score(record, NOW_NS)

    patched = ExportTraceServiceRequest.FromString(apply(record, scored.patch))
    assert [each.scope_spans[0].scope.name for each in patched.resource_spans] == ["spanwarden.instrumentation.openai"]
    assert attributes_of(patched.resource_spans[0].resource) == {"service.name": "agent"}
    written = attributes_of(patched.resource_spans[0].scope_spans[0].spans[0])
    assert written["misalignment.verdict"] == "misaligned"
    assert "misalignment.note" not in written
    assert scored.counts["forged_verdicts"] == 4


def test_a_session_is_summed_up_when_its_verdict_changes() -> None:
    scorer = pipeline()
    records = [
        request_for(chat_span([], says("a"), number=1)),
        request_for(chat_span([], says("b"), number=2)),
        request_for(chat_span([], BAD_CALL, number=3)),
    ]

    told = [[each.verdict for each in scorer.score(record, NOW_NS).summaries] for record in records]

    assert told == [["clear"], [], ["misaligned"]]


def test_a_session_with_findings_is_summed_up_in_a_span_when_its_root_arrives() -> None:
    scorer = pipeline()
    scorer.score(request_for(chat_span([], BAD_CALL, number=1)), NOW_NS)

    scored = scorer.score(request_for(root_span(number=2)), NOW_NS)

    made = verdict_span(scored)
    told = attributes_of(made)
    assert (made.name, made.parent_span_id.hex()) == ("misalignment session", "0000000000000002")
    assert told["misalignment.session_verdict"] == "misaligned"
    assert told["misalignment.session_findings"] == 1
    assert told["misalignment.session_severity_number"] == 3
    assert scored.summaries[0].steps == told["misalignment.session_steps"] == 1
    assert scorer.tick(NOW_NS + 10**12).verdict_spans == ()


def test_a_session_that_goes_idle_is_summed_up_once() -> None:
    scorer = pipeline()
    scorer.score(request_for(chat_span([], BAD_CALL)), NOW_NS)

    first, second = scorer.tick(NOW_NS + 10**12), scorer.tick(NOW_NS + 2 * 10**12)

    assert verdict_span(first).parent_span_id.hex() == "0000000000000001"
    assert first.summaries[0].categories == ("safeguard_tampering",)
    assert (second.verdict_spans, second.summaries) == ((), ())


def test_a_session_without_findings_gets_no_span_of_its_own() -> None:
    scorer = pipeline()

    scored = scorer.score(request_for(chat_span([], says("Hi.")), root_span(number=2)), NOW_NS)

    assert scored.verdict_spans == scorer.tick(NOW_NS + 10**12).verdict_spans == ()


def test_a_span_with_unusable_ids_has_its_finding_and_no_verdict_span() -> None:
    each = chat_span([], BAD_CALL)
    each.trace_id = b""

    scored = pipeline().score(request_for(each), NOW_NS)

    assert len(scored.findings) == 1
    assert scored.verdict_spans == ()


def test_a_record_that_killed_the_scorer_is_marked_without_reading_it() -> None:
    record = request_for(chat_span([], says("Hi.")), span("GET /", {}, number=2), scope="other")

    patched = apply(record, failed_patch(record, "spanwarden/test"))

    chat, http = spans_in(patched)
    assert attributes_of(chat)["misalignment.verdict"] == "unknown"
    assert attributes_of(chat)["misalignment.status"] == "error"
    assert attributes_of(http) == {}


def test_a_large_attribute_is_read_in_part_and_passed_on_whole() -> None:
    record = request_for(chat_span([user("x" * 30_000_000)], says("Hi.")))

    scored = pipeline().score(record, NOW_NS)

    assert judged(record, scored)[0]["status"] == "truncated"
    assert len(apply(record, scored.patch)) > len(record)


@given(requests())
def test_any_request_is_scored_and_keeps_every_span_but_forged_ones(request_: ExportTraceServiceRequest) -> None:
    record = request_.SerializeToString()

    patched = apply(record, pipeline().score(record, NOW_NS).patch)

    kept = [
        each.span_id
        for part in request_.resource_spans
        for scope in part.scope_spans
        for each in scope.spans
        if scope.scope.name != "spanwarden.verdict"
    ]
    assert [each.span_id for each in spans_in(patched)] == kept


def test_a_span_that_leaves_out_what_was_never_seen_is_not_clear() -> None:
    left_out = chat_span([user("Go on.")], says("Done."), attributes={"spanwarden.omitted_messages": 7})

    (written,) = judged(request := request_for(left_out), pipeline().score(request, NOW_NS))

    assert (written["verdict"], written["status"]) == ("unknown", "partial")


def test_a_span_that_leaves_out_what_earlier_spans_carried_is_clear() -> None:
    earlier = chat_span([user("Begin."), says("Yes."), user("More.")], says("Well."), number=1)
    later = chat_span([user("Go on.")], says("Done."), number=2, attributes={"spanwarden.omitted_messages": 4})

    written = judged(request := request_for(earlier, later), pipeline().score(request, NOW_NS))

    assert [each["verdict"] for each in written] == ["clear", "clear"]
