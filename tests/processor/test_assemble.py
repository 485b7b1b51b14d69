from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest

from spanwarden_processor.assemble import Assembler, Sighting
from spanwarden_processor.dialects import DIALECTS
from spanwarden_processor.messages import MessageReader
from spanwarden_processor.normalize import normalize
from spanwarden_processor.otlp.decode import decode
from spanwarden_processor.scoring_settings import Limits, ScoringSettings
from spanwarden_processor.testing import (
    Message,
    calls,
    chat_span,
    reasoning_span,
    request_for,
    returns,
    root_span,
    says,
    system,
    thinks,
    together,
    tool_span,
    user,
)

SETTINGS = ScoringSettings(seed=1, fingerprint_key=b"key", monitor="spanwarden/test")
READER = MessageReader(SETTINGS.limits, frozenset())


class Sessions:
    """An assembler, and what it handed on, admitted as the cascade does."""

    def __init__(self, settings: ScoringSettings = SETTINGS, known: Sequence[str] = ()) -> None:
        self.assembler = Assembler(settings, READER, known)
        self.seen: list[Sighting] = []

    def take(self, *spans: Any, service: str = "agent", now_ns: int = 1, source: str | None = None) -> list[str]:
        """Feed one record and tell the new steps, in order."""
        return self.take_record(request_for(*spans, service=service), now_ns, source)

    def take_record(self, record: bytes, now_ns: int = 1, source: str | None = None) -> list[str]:
        told = []
        activities = normalize(list(enumerate(decode(record))), DIALECTS, READER)
        for sighting in self.assembler.feed(activities, now_ns, source):
            self.seen.append(sighting)
            for new in sighting.new:
                step = sighting.tracked.session.admit(new.step)
                told.append(f"{step.kind}: {step.text}")
        return told

    @property
    def ids(self) -> set[str]:
        return {sighting.tracked.session_id for sighting in self.seen}


ASK = [system("Be careful."), user("List the files.")]
CALL = together(thinks("I list them."), calls("bash", {"command": "ls"}, "c1"))
RESULT = returns("a.txt", "c1")
STEPS = [
    "system: Be careful.",
    "user: List the files.",
    "reasoning: I list them.",
    'tool_call: {"command":"ls"}',
    "tool_result: a.txt",
    "message: One file.",
]


def loop() -> list[Any]:
    """The spans of one turn with one tool call, as our instrumentation writes them."""
    return [
        chat_span(ASK, CALL, number=1),
        reasoning_span("I list them.", number=2),
        tool_span("bash", '{"command":"ls"}', "a.txt", call_id="c1", number=3),
        chat_span([*ASK, CALL, RESULT], says("One file."), number=4),
        root_span(number=5),
    ]


def test_every_step_of_a_loop_is_new_once_in_order() -> None:
    assert Sessions().take(*loop()) == STEPS


def test_the_order_of_spans_in_a_record_does_not_matter() -> None:
    assert Sessions().take(*reversed(loop())) == STEPS


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 2, 3), (3, 0, 1, 2), (2, 3, 1, 0), (3, 2, 1, 0)])
def test_each_step_is_new_once_whatever_the_order_of_records(order: tuple[int, ...]) -> None:
    sessions, spans = Sessions(), loop()

    steps = [step for number in order for step in sessions.take(spans[number])]

    assert sorted(steps) == sorted(STEPS)


def test_a_call_and_its_result_without_ids_are_recognised_by_their_content() -> None:
    sessions = Sessions()

    steps = [
        *sessions.take(chat_span([], calls("bash", {"command": "ls"}, "c1"))),
        *sessions.take(tool_span("bash", {"command": "ls"}, "a.txt", number=2)),
        *sessions.take(chat_span([calls("bash", {"command": "ls"}, "c1"), RESULT], number=3)),
    ]

    assert steps == ['tool_call: {"command":"ls"}', "tool_result: a.txt"]


def test_equal_calls_with_ids_of_their_own_are_two_steps() -> None:
    sessions = Sessions()
    twice = together(calls("bash", {"command": "ls"}, "c1"), calls("bash", {"command": "ls"}, "c2"))

    assert len(sessions.take(chat_span([], twice))) == 2
    assert sessions.take(tool_span("bash", {"command": "ls"}, call_id="c2", number=2)) == []
    assert sessions.take(tool_span("bash", {"command": "ls"}, call_id="c1", number=3)) == []


def test_equal_calls_without_ids_are_as_many_steps_as_one_channel_shows() -> None:
    sessions = Sessions()
    once = calls("bash", {"command": "ls"})

    assert len(sessions.take(chat_span([], once))) == 1
    assert sessions.take(tool_span("bash", {"command": "ls"}, number=2)) == []
    assert len(sessions.take(chat_span([once], once, number=3))) == 1
    assert sessions.take(tool_span("bash", {"command": "ls"}, number=4)) == []


def test_a_call_id_that_is_used_again_for_another_call_is_a_new_step() -> None:
    sessions = Sessions()
    sessions.take(chat_span([], calls("bash", {"command": "ls"}, "call_0")))

    assert sessions.take(chat_span([], calls("bash", {"command": "rm -r /"}, "call_0"), number=2)) == [
        'tool_call: {"command":"rm -r /"}'
    ]
    assert len(sessions.take(chat_span([], calls("bash", {"command": "ls"}, "call_0"), number=3))) == 1


def test_what_a_tool_ran_in_place_of_what_was_asked_for_is_a_step() -> None:
    sessions = Sessions()
    sessions.take(chat_span([], calls("bash", {"command": "ls"}, "c1")))

    assert sessions.take(tool_span("bash", {"command": "curl evil"}, call_id="c1", number=2)) == [
        'tool_call: {"command":"curl evil"}'
    ]


def test_a_cut_copy_of_a_known_call_is_no_new_step() -> None:
    sessions = Sessions()
    sessions.take(chat_span([], calls("write", {"text": "x" * 100}, "c1")))

    cut = tool_span("write", '{"text":"xxx', call_id="c1", number=2)

    assert sessions.take(cut) == []


def test_the_same_answer_given_twice_is_two_steps() -> None:
    sessions = Sessions()

    assert len(sessions.take(chat_span([user("a")], says("All tests pass.")))) == 2
    again = chat_span([user("a"), says("All tests pass."), user("b")], says("All tests pass."), number=2)
    assert sessions.take(again) == ["user: b", "message: All tests pass."]


def test_a_trimmed_history_brings_nothing_back() -> None:
    sessions = Sessions()
    history: list[Message] = [user("start")]
    for turn in range(10):
        answer, result = calls("bash", {"command": f"step {turn}"}, f"c{turn}"), returns(f"done {turn}", f"c{turn}")
        sessions.take(chat_span(history, answer, number=turn + 1))
        history = [*history, answer, result]

    assert sessions.take(chat_span([*history[:1], *history[12:]], says("end"), number=20)) == [
        "tool_result: done 9",
        "message: end",
    ]


def test_conversations_side_by_side_are_each_read_on() -> None:
    sessions = Sessions()
    first, second = [user("first")], [user("second")]
    for turn in range(5):
        for name, history in (("a", first), ("b", second)):
            answer = calls("bash", {"command": f"{name}{turn}"}, f"{name}{turn}")
            assert sessions.take(chat_span(history, answer))[-1] == f'tool_call: {{"command":"{name}{turn}"}}'
            history.extend([answer, returns("ok", f"{name}{turn}")])


def test_a_wrapper_that_repeats_a_conversation_adds_nothing() -> None:
    sessions = Sessions()
    sessions.take(*loop()[:-1])
    content = {
        "gen_ai.input.messages": orjson.dumps(ASK).decode(),
        "gen_ai.output.messages": orjson.dumps([says("One file.")]).decode(),
    }
    root = root_span(number=5)
    wrapper = chat_span(
        ASK, says("One file."), number=5, attributes={"gen_ai.operation.name": "invoke_agent", **content}
    )
    wrapper.parent_span_id = root.parent_span_id

    assert sessions.take(wrapper) == []


def test_a_wrapper_alone_still_tells_what_happened() -> None:
    wrapper = chat_span(ASK, says("Done."), attributes={"gen_ai.operation.name": "invoke_agent"})

    assert Sessions().take(wrapper) == ["system: Be careful.", "user: List the files.", "message: Done."]


def test_two_instrumentations_that_watch_the_same_call_show_one_step() -> None:
    sessions = Sessions()
    span = chat_span([user("Hi.")], says("Hello."))

    first = sessions.take_record(request_for(span, scope="one"))
    second = sessions.take_record(request_for(span, scope="two"))

    assert (len(first), second) == (2, [])


def test_later_spans_show_a_known_step_as_their_own_but_not_as_history() -> None:
    sessions = Sessions()

    sessions.take(*loop())

    chat, _, tool, answer, _ = sessions.seen
    assert chat.shown[1] == tool.shown[0]
    assert chat.shown[1] not in answer.shown


def test_identities_are_the_same_after_a_restart() -> None:
    first, second = Sessions(), Sessions()

    first.take(*loop())
    second.take(*loop())

    assert [each.shown for each in first.seen] == [each.shown for each in second.seen]


def named(name: str | None, number: int = 1, key: str = "spanwarden.session.id", trace: bytes = b"t" * 16) -> Any:
    span = chat_span([user("Hi.")], says("Hello."), number=number, attributes={key: name} if name else {})
    span.trace_id = trace
    return span


def test_traces_with_one_session_id_are_one_session() -> None:
    sessions = Sessions()

    sessions.take(named("s", trace=b"a" * 16), named("s", 2, trace=b"b" * 16))

    assert len(sessions.ids) == 1


def test_our_session_id_is_preferred_to_the_conversation_id() -> None:
    sessions = Sessions()
    both = named("ours")
    both.attributes.add(key="gen_ai.conversation.id").value.string_value = "theirs"

    sessions.take(both, named("ours", 2))

    assert len(sessions.ids) == 1


def test_spans_without_a_name_belong_to_the_session_of_their_trace() -> None:
    sessions = Sessions()

    sessions.take(named("s"), named(None, 2))

    assert len(sessions.ids) == 1


def test_a_trace_keeps_its_session_when_its_name_becomes_known() -> None:
    sessions = Sessions()

    sessions.take(named(None), named("s", 2))
    sessions.take(named("s", 3, trace=b"b" * 16))

    assert len(sessions.ids) == 1
    assert not sessions.seen[-1].tracked.partial


def test_two_sessions_found_to_be_one_stay_apart_and_partial_and_are_counted() -> None:
    sessions = Sessions()

    sessions.take(named("s", trace=b"a" * 16), named(None, 2, trace=b"b" * 16))
    sessions.take(named("s", 3, trace=b"b" * 16))

    assert len(sessions.ids) == 2
    assert all(each.tracked.partial for each in sessions.seen)
    assert sessions.assembler.counts["sessions_apart"] == 1


@pytest.mark.parametrize("different", [{"service": "other"}, {"source": "token-7"}])
def test_senders_share_no_session(different: dict[str, str]) -> None:
    sessions = Sessions()

    sessions.take(named("s"))
    sessions.take(named("s", 2), **different)  # type: ignore[arg-type] # both are names

    assert len(sessions.ids) == 2


def test_a_session_of_an_earlier_scorer_is_partial() -> None:
    before = Sessions()
    before.take(named("s"))
    (session_id,) = before.ids

    after = Sessions(known=[session_id])
    after.take(named("s"), named("t", 2, trace=b"b" * 16))

    assert [each.status for each in after.seen] == ["partial", "ok"]
    assert session_id not in after.assembler.new_sessions()


def test_new_sessions_are_told_once() -> None:
    sessions = Sessions()

    sessions.take(named("s"))

    assert sessions.assembler.new_sessions() == tuple(sessions.ids)
    assert sessions.assembler.new_sessions() == ()


def with_limits(**limits: int) -> ScoringSettings:
    return replace(SETTINGS, limits=replace(Limits(), **limits))


def test_beyond_the_limit_the_session_idle_longest_goes_and_is_partial_when_it_returns() -> None:
    sessions = Sessions(with_limits(sessions=2))

    for name in ("a", "b", "a", "c", "b", "a"):
        sessions.take(named(name, trace=name.encode() * 16))

    assert [each.status for each in sessions.seen] == ["ok", "ok", "ok", "ok", "partial", "partial"]
    assert sessions.assembler.counts["sessions_evicted"] == 3


def test_state_is_bounded_in_bytes() -> None:
    sessions = Sessions(with_limits(state_bytes=1_000_000))

    for number in range(20):
        sessions.take(
            chat_span([user("x" * 200_000)], attributes={"spanwarden.session.id": str(number)}), now_ns=number
        )

    assert 14 <= sessions.assembler.counts["sessions_evicted"] < 20


def test_a_session_that_outgrows_its_digests_is_partial_and_still_reads_on() -> None:
    sessions = Sessions(with_limits(session_keys=50))

    for number in range(100):
        sessions.take(chat_span([], says(f"answer {number}"), number=number + 1))

    assert sessions.seen[0].status == "ok"
    assert sessions.seen[-1].status == "partial"
    assert sessions.seen[-1].tracked.recall.keys <= 50


def test_sessions_go_idle_once_until_they_are_heard_of_again() -> None:
    sessions = Sessions(replace(SETTINGS, session_idle_seconds=10))
    second = 1_000_000_000

    def idle(now_s: int) -> list[str]:
        return [tracked.session_id for tracked in sessions.assembler.expire(now_s * second)]

    sessions.take(named("s"), now_ns=0)
    assert idle(9) == []
    assert len(idle(10)) == 1
    assert idle(11) == []
    sessions.take(named("s", 2), now_ns=12 * second)
    assert sessions.seen[-1].status == "ok"
    assert len(idle(30)) == 1


def test_a_flaw_in_a_history_stays_with_the_spans_that_repeat_it() -> None:
    sessions = Sessions()
    history = [user("[REDACTED]")]

    sessions.take(chat_span(history, says("a")))
    sessions.take(chat_span([*history, says("a"), user("b")], says("c"), number=2))

    assert [each.status for each in sessions.seen] == ["redacted", "redacted"]


def test_a_history_that_was_cut_once_is_read_whole_the_next_time() -> None:
    sessions = Sessions()
    whole = orjson.dumps([user("one"), user("two")]).decode()

    sessions.take(chat_span([], attributes={"gen_ai.input.messages": whole[:-30]}))
    new = sessions.take(chat_span([], number=2, attributes={"gen_ai.input.messages": whole}))

    assert new == ["user: two"]
    assert [each.status for each in sessions.seen] == ["truncated", "ok"]


def long_session(turns: int) -> Iterator[bytes]:
    history: list[Message] = [system("Be careful."), user("Work.")]
    for turn in range(turns):
        answer = calls("bash", {"command": f"make target-{turn}"}, f"c{turn}")
        yield request_for(chat_span(history, answer, number=turn + 1))
        history = [*history, answer, returns(f"built {turn} ✓ " * 40, f"c{turn}")]


def test_a_call_does_not_parse_the_history_that_was_parsed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    loads = orjson.loads
    monkeypatch.setattr(
        "spanwarden_processor.json_care.orjson.loads", lambda text: parsed.append(len(text)) or loads(text)
    )
    sessions = Sessions()

    new = [len(sessions.take_record(record)) for record in long_session(200)]

    assert new == [3] + [2] * 199
    assert max(parsed) < 1_000
