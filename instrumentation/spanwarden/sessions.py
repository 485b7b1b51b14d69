"""A request's messages -> the session that they continue, known by the call ids and answers that come back.

Equal first messages never join. Everything is kept in bounded tables; a session lives as long as a table or a
caller refers to it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextvars import ContextVar
from random import Random
from typing import Any, Final, NamedTuple

import orjson

from spanwarden.candidates import best_answer, best_call, claimed, only_equal
from spanwarden.encode import fields_of
from spanwarden.guard import Counts
from spanwarden.heard import Conversation
from spanwarden.messages import AskedCall
from spanwarden.retold import begins_with, calls_told, retold_in
from spanwarden.session import DROPPED, Answer, Call, Said, Session, ToolResult
from spanwarden.table import Table

LOOK_BACK: Final = 8
"""Assistant messages looked at, from the newest on, before a request counts as a new session."""


class Limits(NamedTuple):
    """Bounds of what is remembered.

    Call ids, answers, open calls, the characters of their arguments, and sessions that the user's code has named.
    """

    calls: int = 16_384
    answers: int = 16_384
    open_calls: int = 4_096
    open_characters: int = 64 * 1024 * 1024
    named: int = 4_096


_here: ContextVar[Session | None] = ContextVar("spanwarden.session", default=None)


class Sessions:
    """All sessions of a process. Thread-safe; no method blocks on anything but its own short lock.

    The lock is reentrant: a collection inside of it may close an abandoned call, which comes back here.
    """

    def __init__(self, counts: Counts, limits: Limits | None = None) -> None:
        self.counts = counts
        self._limits = limits or Limits()
        self._calls: Table[Call] = Table(self._limits.calls)
        self._answers: Table[Answer] = Table(self._limits.answers)
        self._open: OrderedDict[int, Call] = OrderedDict()
        self._open_characters = 0
        self._named: OrderedDict[str, Session] = OrderedDict()
        self.after_fork()

    def after_fork(self) -> None:
        """Replace the lock, which another thread of the parent may have held, and the source of ids, which it has."""
        self._lock = threading.RLock()
        self._random = Random()  # of our own: programs seed the one that all share

    def start(self) -> Session:
        """A session that nothing is known of yet."""
        return Session(f"{self._random.getrandbits(128):032x}")

    def named(self, session_id: str) -> Session:
        """The session of an id that the user's code gives."""
        with self._lock:
            return self.name(session_id, self._named.get(session_id) or Session(session_id))

    def name(self, session_id: str, session: Session) -> Session:
        """Know a session by an id, too; the one that has this id already stays."""
        with self._lock:
            session = self._named.setdefault(session_id, session)
            self._named.move_to_end(session_id)
            if len(self._named) > self._limits.named:
                self._named.popitem(last=False)
                self.counts.joins_evicted += 1
            return session

    def here(self) -> Session | None:
        """The session that this thread or task last spoke in: a hint where keys are ambiguous, never a proof."""
        return _here.get()

    def enter(self, session: Session) -> None:
        """Make `session` the hint of this thread or task."""
        _here.set(session)

    def find(self, conversation: Conversation) -> Session | None:
        """The session that a request continues: by the ids it names, else by the answers that it brings back."""
        if conversation.conversation_id:
            return self.named(conversation.conversation_id)
        hint = _here.get()
        with self._lock:
            if conversation.response_id:
                answer = best_answer(self._answers.find(("response", conversation.response_id)), hint)
                if answer is not None:
                    return answer.session
            if hint is not None and self._answers_open_call(conversation, hint):
                return hint
            session = self._find_by_messages(conversation, hint)
            if session is None and hint is not None and _is_retold(conversation, hint):
                return hint
            return session

    def _answers_open_call(self, conversation: Conversation, session: Session) -> bool:
        """Whether the newest message is the result of an open call: then no other session fits better."""
        if not session.pending:
            return False
        call = session.pending.get(conversation.newest.call_id)
        return call is not None and id(call) in self._open

    def _find_by_messages(self, conversation: Conversation, hint: Session | None) -> Session | None:
        looked = 0
        messages = conversation.messages
        for index in range(len(messages) - 1, -1, -1):
            heard = conversation.hear(messages[index])
            if heard.role != "assistant":
                continue
            session = self._session_of(conversation, index, heard.content, hint)
            looked += 1
            if session is not None or looked == LOOK_BACK:
                return session
        return None

    def _session_of(self, conversation: Conversation, index: int, content: Any, hint: Session | None) -> Session | None:
        for asked in conversation.calls(conversation.messages[index]):
            call = best_call(self._calls.find(asked.id), asked, hint)
            if call is not None:
                return call.session
        answer = best_answer(self._answers.find(_answer_key(content, conversation.before(index))), hint)
        if answer is None:
            return None
        answer.continued = True
        return answer.session

    def answered(self, session: Session, content: Any, before: Any) -> None:
        """Remember an answer in words, to know it again."""
        key = _answer_key(content, before)
        if isinstance(content, str) and content:
            text = content.strip()
            session.said = Said(len(text), hash(text), hash(_content_key(before)))
        with self._lock:
            self.counts.joins_evicted += self._answers.add(key, Answer(session))

    def responded(self, session: Session, response_id: str, *, complete: bool) -> bool:
        """Remember an answer by its id; false when all of it has been read before."""
        key = ("response", response_id)
        with self._lock:
            for known in self._answers.find(key):
                if known.session is session:
                    was_complete, known.complete = known.complete, known.complete or complete
                    return not was_complete
            self.counts.joins_evicted += self._answers.add(key, Answer(session, complete=complete))
            return True

    def asked(self, session: Session, asked: Sequence[AskedCall], asked_ns: int, tools: Any) -> bool:
        """Remember the tool calls of an answer, to know them again, and as open until their results come.

        Only those that have an id can be known again; false where there is none.
        """
        known = False
        for one in asked:
            if one.id:
                known = True
                self._open_call(Call(one, session, asked_ns, _description(tools, one.name), hash(one)))
        return known

    def _open_call(self, call: Call) -> None:
        asked, pending, limits = call.asked, call.session.pending, self._limits
        with self._lock:
            self.counts.joins_evicted += self._calls.add(asked.id, call)
            earlier = pending.get(asked.id)
            if earlier is not None:
                self._close_call(earlier)
            pending[asked.id] = call
            self._open[id(call)] = call
            self._open_characters += len(asked.arguments)
            while len(self._open) > limits.open_calls or self._open_characters > limits.open_characters:
                self._close_call(next(iter(self._open.values())))
                self.counts.calls_evicted += 1

    def _close_call(self, call: Call) -> None:
        """Forget an open call and its arguments, unless somebody else already has."""
        if self._open.pop(id(call), None) is not None:
            self._open_characters -= len(call.asked.arguments)
            call.session.pending.pop(call.asked.id, None)

    def results(self, session: Session, conversation: Conversation) -> list[ToolResult]:
        """The open calls of a session whose results a request brings, in order, with what came; now closed."""
        if not session.pending:
            return []
        found: list[ToolResult] = []
        with self._lock:
            for message in reversed(conversation.messages):
                if not session.pending:
                    break
                heard = conversation.hear(message)
                call = session.pending.get(heard.call_id)
                if call is not None:
                    found.append(ToolResult(call, call.asked, heard.content))
                    self._finish(call)
            found.reverse()
            if not found and session.pending:
                found = self._retold_results(session, conversation)
        return found

    def _retold_results(self, session: Session, conversation: Conversation) -> list[ToolResult]:
        """Results in the words of the program: all that the message behind the calls says."""
        retold = retold_in(conversation)
        if retold is None or retold.after is None:
            return []
        found = [ToolResult(call, call.asked, retold.after.content) for call in calls_told(session, retold)]
        for result in found:
            self._finish(result.call)
        return found

    def claim(
        self, name: str, arguments: Any, call_id: str | None, within: Session | None
    ) -> tuple[Call, AskedCall] | None:
        """The open call that a tool of the user's own now carries out, so that it is not inferred again.

        By id where one is given. Else the oldest of that name in the session at hand, those with equal arguments
        first; else the only one anywhere with that name and those arguments.
        """
        with self._lock:
            call = claimed(within.pending.values(), name, arguments, call_id) if within is not None else None
            call = call or only_equal(self._open.values(), name, arguments, call_id)
            if call is None:
                return None
            asked = call.asked
            self._finish(call)
            return call, asked

    def carried_out(self, call_id: str) -> None:
        """Close an open call that somebody else has made a span of; of several with this id, the one at hand."""
        with self._lock:
            calls = [call for call in self._calls.find(call_id) if call.session.pending.get(call_id) is call]
            here = [call for call in calls if call.session is _here.get()]
            for call in here or (calls if len(calls) == 1 else ()):
                self._finish(call)

    def _finish(self, call: Call) -> None:
        self._close_call(call)
        call.asked = DROPPED


def _is_retold(conversation: Conversation, session: Session) -> bool:
    """Whether a request tells of the session at hand in words of its own."""
    said = session.said
    if said is None and not session.pending:
        return False
    retold = retold_in(conversation)
    if retold is None:
        return False
    if said is not None and begins_with(retold, said):
        return hash(_content_key(conversation.before(retold.before))) == said.before
    return bool(calls_told(session, retold))


def _answer_key(content: Any, before: Any) -> int:
    """An answer together with what it answers: "Hello!" alone is said in many conversations.

    Programs strip what the model said.
    """
    said = content.strip() if isinstance(content, str) else _content_key(content)
    return hash((said, _content_key(before)))


def _content_key(content: Any) -> Any:
    if content is None or isinstance(content, str):
        return content
    try:
        return orjson.dumps(content, default=fields_of)
    except TypeError:
        return str(type(content))


def _description(tools: Any, name: str) -> str | None:
    if not isinstance(tools, list | tuple):
        return None
    for item in tools:
        tool = fields_of(item)
        kind = tool.get("type")
        body = fields_of(tool.get(kind if type(kind) is str else "function")) or tool
        if body.get("name") == name:
            description = body.get("description")
            return description if isinstance(description, str) else None
    return None
