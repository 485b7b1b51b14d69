"""Keys of spans: which came before."""

from __future__ import annotations

from spanwarden_processor.repeats import FREEZE_AT, RepeatWindow

SECOND = 1_000_000_000
WINDOW = 900 * SECOND


def test_a_key_is_known_once_it_was_added() -> None:
    window = RepeatWindow(WINDOW)

    window.add([1, 2**63 + 7], now_ns=0)

    assert window.known([1, 2, 2**63 + 7]) == [True, False, True]


def test_keys_stay_known_when_there_are_too_many_for_a_set() -> None:
    window = RepeatWindow(WINDOW)
    keys = [number * 2_654_435_761 % 2**64 for number in range(10 * FREEZE_AT)]

    for start in range(0, len(keys), 1000):
        window.add(keys[start : start + 1000], now_ns=0)

    assert all(window.known(keys))
    assert not any(window.known([key + 1 for key in keys[:1000]]))


def test_a_frozen_key_is_known_for_the_whole_window_and_forgotten_after_a_quarter_more() -> None:
    window = RepeatWindow(WINDOW)
    window.add(range(FREEZE_AT), now_ns=0)

    window.expire(now_ns=WINDOW)
    known_within = window.known([5])
    window.expire(now_ns=WINDOW + WINDOW // 4 + 1)

    assert known_within == [True]
    assert window.known([5]) == [False]


def test_memory_is_bounded_by_the_rate_of_spans_times_the_window() -> None:
    window = RepeatWindow(WINDOW)
    rate = FREEZE_AT // 60

    for second in range(2 * 900):
        window.add(range(second * rate, (second + 1) * rate), now_ns=second * SECOND)
        window.expire(now_ns=second * SECOND)

    assert 900 * rate <= len(window) <= 1.6 * 900 * rate + FREEZE_AT
