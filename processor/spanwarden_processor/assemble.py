"""Activities to sessions: which session each belongs to, and which of the steps it shows are new there.

Pure: it is handed data and the time, and hands data back. Everything it holds is bounded.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import xxhash

from spanwarden_processor.history import History, Stream, Unread
from spanwarden_processor.json_care import Flaw
from spanwarden_processor.messages import MessageReader, Shown
from spanwarden_processor.normalize import Activity
from spanwarden_processor.recall import Counts, Identity
from spanwarden_processor.scoring_settings import ScoringSettings
from spanwarden_processor.tracked import TrackedSession, worse
from spanwarden_processor.types import Span, SpanRef, Status, Step

_NAMES_PER_SESSION = 4
_FLAW_STATUS: dict[Flaw, Status] = {"truncated": "truncated", "redacted": "redacted", "error": "error"}


class NewStep(NamedTuple):
    """A step that its session has not seen, and the identity it keeps."""

    step: Step
    identity: Identity


class Sighting(NamedTuple):
    """One activity in its session: its new steps in order, and the identities of all that it shows as its own.

    A step that is new although it stands in the history counts as shown here. `status` says how far the whole span
    could be read.
    """

    activity: Activity
    tracked: TrackedSession
    new: tuple[NewStep, ...]
    shown: tuple[Identity, ...]
    status: Status


class _Shows(NamedTuple):
    """Steps that one channel shows, by a span, at a time."""

    steps: Iterable[Shown]
    counts: Counts
    span: SpanRef
    time_ns: int


class Assembler:
    """Holds the sessions. `counts` gathers what happened to them, for the metrics."""

    def __init__(self, settings: ScoringSettings, reader: MessageReader, known_sessions: Collection[str]) -> None:
        """Start without sessions. `known_sessions` had spans before this assembler was made: they are not whole."""
        self.counts: Counter[str] = Counter()
        self._limits = settings.limits
        self._seed = settings.seed
        self._idle_ns = int(settings.session_idle_seconds * 1e9)
        self._reader = reader
        self._known: OrderedDict[str, None] = OrderedDict.fromkeys(known_sessions)
        self._sessions: OrderedDict[str, TrackedSession] = OrderedDict()
        self._names: OrderedDict[tuple[str, str, Any], str] = OrderedDict()
        self._bytes = 0
        self._new: list[str] = []

    def feed(self, activities: Iterable[Activity], now_ns: int, source: str | None = None) -> Iterator[Sighting]:
        """Each activity in its session. `source` is the sender, where it was authenticated.

        The new steps of one must be admitted to its session before the next is asked for.
        """
        for activity in activities:
            tracked = self._session_of(activity, source)
            tracked.last_ns, tracked.idle = now_ns, False
            tracked.trace_id = activity.span.trace_id
            yield self._sighting(activity, tracked)
            self._weigh(tracked)
            self._evict(tracked)

    def expire(self, now_ns: int) -> Iterator[TrackedSession]:
        """Sessions that have gone idle since the last call. Their state is held as long as there is room."""
        limit_ns = now_ns - self._idle_ns
        for tracked in self._sessions.values():
            if tracked.last_ns > limit_ns:
                return
            if not tracked.idle:
                tracked.idle = True
                yield tracked

    def new_sessions(self) -> tuple[str, ...]:
        """Ids of the sessions that were begun since the last call."""
        begun, self._new = tuple(self._new), []
        return begun

    def _sighting(self, activity: Activity, tracked: TrackedSession) -> Sighting:
        span = activity.span
        flaws: set[Flaw] = set()
        new: list[NewStep] = []
        if _leaves_out(span) > tracked.recall.keys:
            tracked.missing = True
        repeated: Counts = {}
        if activity.system:
            stream, parts = self._unread(activity.system, tracked.instructions, flaws)
            given = self._reader.system(parts, stream.flaws)
            _sight(tracked, _Shows(given, stream.counts, span.ref, span.start_ns), new)
            flaws |= stream.flaws
        if activity.history:
            stream, messages = self._unread(activity.history, tracked.messages, flaws)
            given = self._reader.steps(messages, stream.flaws)
            _sight(tracked, _Shows(given, stream.counts, span.ref, span.start_ns), new)
            flaws |= stream.flaws
            repeated = stream.counts
        if activity.operation == "agent":  # it repeats what other spans show as theirs
            _sight(tracked, _Shows(activity.own, dict(repeated), span.ref, span.end_ns), new)
            own = []
        else:
            counts = tracked.channel(activity.channel)
            own = _sight(tracked, _Shows(activity.own, counts, span.ref, span.end_ns), new)
        shown = (*own, *(identity for _, identity in new if identity not in own))
        return Sighting(activity, tracked, tuple(new), shown, _status(activity, tracked, flaws))

    def _unread(self, content: Any, history: History, flaws: set[Flaw]) -> tuple[Stream, Any]:
        """What of the content was not read before, and the conversation that it goes on with."""
        text, stream = history.unread(content) if isinstance(content, str) else Unread(content, Stream(self._seed))
        if text == "[]" or text is None:
            return stream, ()
        parsed = self._reader.values(text)
        if parsed.flaw is not None:
            flaws.add(parsed.flaw)
            return stream.copy(), parsed.value  # it comes again, and must count then as if for the first time
        if isinstance(content, str):
            stream.remember(content)
        return stream, parsed.value

    def _session_of(self, activity: Activity, source: str | None) -> TrackedSession:
        sender = source or _service_key(activity.span.resource)
        by_trace = (sender, "trace", activity.span.trace_id)
        known = self._names.get(by_trace)
        if activity.session is None:
            session_id = known or self._id(by_trace)
        else:
            session_id = self._named(sender, activity.session, known)
        self._remember(by_trace, known or session_id)
        return self._session(session_id, activity)

    def _named(self, sender: str, name: str, by_trace: str | None) -> str:
        """The session of this name. A trace that was a session of its own until now gives it its first."""
        key = (sender, "name", name)
        earlier = self._sessions.get(by_trace) if by_trace else None
        nameless = earlier is not None and not earlier.named
        session_id = self._names.get(key)
        if session_id is None:
            session_id = by_trace if by_trace and nameless else self._id(key)
        elif earlier is not None and nameless and session_id != by_trace:
            self._found_to_be_one(earlier, self._sessions.get(session_id))
        self._remember(key, session_id)
        if tracked := self._sessions.get(session_id):
            tracked.named = True
        return session_id

    def _found_to_be_one(self, *parts: TrackedSession | None) -> None:
        """Two sessions turn out to be the same work; each lacks what the other has, and stays so."""
        if any(part is not None and not part.missing for part in parts):
            self.counts["sessions_apart"] += 1
        for part in parts:
            if part is not None:
                part.missing = True

    def _session(self, session_id: str, activity: Activity) -> TrackedSession:
        tracked = self._sessions.get(session_id)
        if tracked is not None:
            self._sessions.move_to_end(session_id)
            return tracked
        service = activity.span.resource.get("service.name")
        tracked = TrackedSession(session_id, str(service or "unknown_service"), self._seed, self._limits)
        tracked.named = activity.session is not None
        tracked.missing = session_id in self._known
        if not tracked.missing:
            self._new.append(session_id)
            self._remember_known(session_id)
        self._sessions[session_id] = tracked
        self._weigh(tracked)
        return tracked

    def _weigh(self, tracked: TrackedSession) -> None:
        weight = tracked.weight_bytes
        self._bytes += weight - tracked.weighed_bytes
        tracked.weighed_bytes = weight

    def _evict(self, in_use: TrackedSession) -> None:
        """Drop the sessions that were idle longest while there are too many, or they are too large."""
        while len(self._sessions) > 1 and (
            len(self._sessions) > self._limits.sessions or self._bytes > self._limits.state_bytes
        ):
            session_id = next(iter(self._sessions))
            if session_id == in_use.session_id:
                return
            self._bytes -= self._sessions.pop(session_id).weighed_bytes
            self.counts["sessions_evicted"] += 1

    def _remember(self, key: tuple[str, str, Any], session_id: str) -> None:
        if key in self._names:
            return
        self._names[key] = session_id
        if len(self._names) > self._limits.sessions * _NAMES_PER_SESSION:
            self._names.popitem(last=False)

    def _remember_known(self, session_id: str) -> None:
        self._known[session_id] = None
        if len(self._known) > self._limits.known_sessions:
            for oldest in list(islice(self._known, len(self._known) // 8)):
                del self._known[oldest]

    def _id(self, key: tuple[str, str, Any]) -> str:
        sender, kind, value = key
        name = value.hex() if isinstance(value, bytes) else value
        return xxhash.xxh3_128_hexdigest(f"{len(sender)}:{sender}{kind}:{name}".encode("utf-8", "replace"), self._seed)


def _service_key(resource: Any) -> str:
    return f"{resource.get('service.namespace') or ''}/{resource.get('service.name') or ''}"


def _status(activity: Activity, tracked: TrackedSession, flaws: set[Flaw]) -> Status:
    status = activity.status
    for flaw in flaws:
        status = worse(status, _FLAW_STATUS[flaw])
    return worse(status, "partial") if tracked.partial else status


def _sight(tracked: TrackedSession, shows: _Shows, new: list[NewStep]) -> list[Identity]:
    """The identities of the steps that are shown; those that the session did not know are added to `new`."""
    steps, counts, span, time_ns = shows
    identities = []
    for shown in steps:
        identity, is_new = tracked.recall.sight(shown, counts)
        identities.append(identity)
        if is_new:
            step = shown.step(span, time_ns)
            tracked.took(len(step.text))
            new.append(NewStep(step, identity))
    return identities


def _leaves_out(span: Span) -> int:
    """How many messages the instrumentation left out because earlier spans carry them."""
    count = span.attributes.get("spanwarden.omitted_messages")
    return count if isinstance(count, int) else 0
