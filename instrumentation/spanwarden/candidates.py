"""Which of several calls or answers that are known is meant: keys may repeat between sessions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from spanwarden.messages import AskedCall, decoded
from spanwarden.session import Answer, Call, Session


def claimed(calls: Iterable[Call], name: str, arguments: Any, call_id: str | None) -> Call | None:
    """Of one session's open calls the one by id; without an id the oldest of that name, equal arguments first."""
    if call_id is not None:
        return next((call for call in calls if call.asked.id == call_id), None)
    named = [call for call in calls if call.asked.name == name]
    equal = (call for call in named if decoded(call.asked.arguments) == arguments)
    return next(equal, None) or next(iter(named), None)


def only_equal(calls: Iterable[Call], name: str, arguments: Any, call_id: str | None) -> Call | None:
    """Of all open calls the one that fits, if no other does."""
    if call_id is not None:
        fitting = [call for call in calls if call.asked.id == call_id]
    else:
        named = [call for call in calls if call.asked.name == name]
        fitting = [call for call in named if decoded(call.asked.arguments) == arguments]
    return fitting[0] if len(fitting) == 1 else None


def best_call(candidates: tuple[Call, ...], asked: AskedCall, hint: Session | None) -> Call | None:
    """The call meant by an id that is known, if it is the same call and not one that happens to have the same id.

    It is when its text is the same; programs that parse and rewrite the text are trusted while the call is open, and
    in the session at hand. Of several that fit, the session at hand comes first, then what is open, then the newest.
    """
    best: Call | None = None
    best_rank = 0
    written = hash(asked)
    for call in candidates:
        is_open = call.session.pending.get(asked.id) is call
        is_here = call.session is hint
        if call.written == written or is_open or is_here:
            rank = 1 + is_open + 2 * is_here
            if rank > best_rank:
                best, best_rank = call, rank
    return best


def best_answer(candidates: tuple[Answer, ...], hint: Session | None) -> Answer | None:
    """The answer of the session at hand, then one that nothing has followed yet, then the newest."""
    mine = [answer for answer in candidates if answer.session is hint]
    fresh = [answer for answer in candidates if not answer.continued]
    return next(iter(mine or fresh or candidates), None)
