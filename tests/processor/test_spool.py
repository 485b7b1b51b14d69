"""The spool: what is acknowledged stays until it is delivered, once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from spanwarden_processor.errors import SpoolFull
from spanwarden_processor.ledger import Ledger
from spanwarden_processor.spool import Incoming, Spool
from spanwarden_processor.spool_transaction import JOINED_BYTES
from spanwarden_processor.types import Scored, VerdictSpan

MIB = 1024 * 1024


def without(request: bytes, drop: Collection[int]) -> bytes:
    """The spool's records are opaque to it: here each byte stands for a span."""
    return bytes(byte for index, byte in enumerate(request) if index not in drop)


def incoming(text: bytes) -> Incoming:
    return Incoming(text, list(text))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path, 8 * MIB, without)
    yield opened
    opened.close()


def score_all(spool: Spool, patch: bytes = b"p") -> list[int]:
    ids = [held.record_id for held in spool.unscored(0, 1000, 100 * MIB)]
    spool.patch([(record_id, Scored(patch)) for record_id in ids])
    return ids


def test_a_record_is_ready_once_it_has_a_patch_and_gone_once_it_is_settled(spool: Spool) -> None:
    spool.put([incoming(b"abc")])
    waiting = spool.unscored(0, 10, MIB)
    ready_before = spool.ready(MIB)

    ids = score_all(spool)
    ready_after = spool.ready(MIB)
    spool.settle(ids, forwarded=3)

    assert [held.request for held in waiting] == [b"abc"]
    assert ready_before == []
    assert [(held.request, held.patch) for held in ready_after] == [(b"abc", b"p")]
    assert spool.ready(MIB) == []
    assert spool.ledger() == Ledger(accepted=3, forwarded=3, last_id=1)


def test_a_span_that_comes_twice_is_kept_once(spool: Spool) -> None:
    spool.put([incoming(b"abc")])

    spool.put([incoming(b"abc")])
    spool.put([incoming(b"bXc")])

    assert [held.request for held in spool.unscored(0, 10, MIB)] == [b"abc", b"X"]
    assert (spool.ledger().accepted, spool.ledger().repeated) == (4, 5)


def test_a_span_that_stands_twice_in_one_request_is_kept_once(spool: Spool) -> None:
    spool.put([incoming(b"aab"), incoming(b"b")])

    assert [held.request for held in spool.unscored(0, 10, MIB)] == [b"ab"]


def test_small_requests_that_come_together_are_one_record(spool: Spool) -> None:
    spool.put([incoming(b"ab"), incoming(b"c"), Incoming(bytes(JOINED_BYTES), [9])])

    assert [held.spans for held in spool.unscored(0, 10, MIB)] == [3, 1]
    assert spool.ledger() == Ledger(accepted=4, held=4, last_id=2)


def test_a_request_that_does_not_parse_stays_alone(spool: Spool) -> None:
    spool.put([incoming(b"a"), Incoming(b"b", [2], alone=True), incoming(b"c")])

    assert [held.request for held in spool.unscored(0, 10, MIB)] == [b"a", b"b", b"c"]


def test_records_and_repeats_are_known_again_after_a_restart(tmp_path: Path) -> None:
    first = Spool(tmp_path, 8 * MIB, without)
    first.put([incoming(b"ab")])
    score_all(first)
    first.put([incoming(b"c")])
    first.close()

    second = Spool(tmp_path, 8 * MIB, without)
    second.put([incoming(b"abc")])

    assert [held.request for held in second.ready(MIB)] == [b"ab"]
    assert [held.request for held in second.unscored(0, 10, MIB)] == [b"c"]
    assert second.ledger().repeated == 3
    assert (second.seed, second.fingerprint_key) == (first.seed, first.fingerprint_key)
    second.close()


def test_a_verdict_span_is_kept_once_however_often_its_finding_is_made(spool: Spool) -> None:
    for request in (b"a", b"b"):
        spool.put([incoming(request)])
    ids = [held.record_id for held in spool.unscored(0, 10, MIB)]

    for record_id in ids:
        spool.patch([(record_id, Scored(b"", verdict_spans=(VerdictSpan("finding-1", b"v"),)))])

    assert [held.request for held in spool.ready(MIB)] == [b"a", b"b", b"v"]
    assert spool.ledger().generated == 1


def test_a_patch_that_comes_again_does_not_change_what_is_sent(spool: Spool) -> None:
    spool.put([incoming(b"a")])

    score_all(spool, b"first")
    spool.patch([(1, Scored(b"second"))])

    assert [held.patch for held in spool.ready(MIB)] == [b"first"]


def test_intake_stops_before_the_spool_is_full_and_goes_on_after_delivery(spool: Spool) -> None:
    kept = 0
    with pytest.raises(SpoolFull):  # noqa: PT012 - how many fit is not the matter
        while True:
            spool.put([Incoming(bytes(512 * 1024), [kept])])
            kept += 1
    used = spool.used_fraction()

    ids = score_all(spool, b"x" * 64 * 1024)
    spool.settle(ids, forwarded=kept)
    spool.put([Incoming(bytes(512 * 1024), [kept])])

    assert 0.5 < used <= 0.71
    assert spool.ledger().accepted == kept + 1


def test_a_sender_that_was_refused_is_not_taken_for_a_repeat(spool: Spool) -> None:
    with pytest.raises(SpoolFull):
        spool.put([Incoming(bytes(7 * MIB), [1])])

    spool.put([Incoming(b"small", [1])])

    assert spool.ledger() == Ledger(accepted=1, held=1, last_id=1)


def test_what_the_backend_refuses_for_good_is_kept_aside(spool: Spool) -> None:
    spool.put([incoming(b"ab")])
    ids = score_all(spool)

    spool.settle(ids, forwarded=1, refused=[b"b"])

    ledger = spool.ledger()
    assert list(spool.refused()) == [b"b"]
    assert ledger.accepted + ledger.generated == ledger.forwarded + ledger.held + ledger.refused
    assert spool.counted() == ledger.held == 0


def test_ready_gives_at_least_one_record_and_then_as_many_as_fit(spool: Spool) -> None:
    for key in (1, 2, 3):
        spool.put([Incoming(bytes(600), [key])])
    score_all(spool, b"")

    assert len(spool.ready(100)) == 1
    assert len(spool.ready(1300)) == 2


def test_sessions_that_were_seen_are_known_after_a_restart(tmp_path: Path) -> None:
    first = Spool(tmp_path, 8 * MIB, without)
    first.patch([(0, Scored(b"", new_sessions=("s1", "s2")))])
    first.close()

    second = Spool(tmp_path, 8 * MIB, without)

    assert sorted(second.known_sessions()) == ["s1", "s2"]
    second.close()
