"""Activities to sessions: which session each belongs to, and which of the steps it shows are new there.

Pure: it is handed data and the time, and hands data back. Everything it holds is bounded.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import xxhash
from msgspec import Struct

from spanwarden_processor.history import History, Stream
from spanwarden_processor.json_care import Flaw
from spanwarden_processor.messages import MessageReader, Shown
from spanwarden_processor.normalize import Activity
from spanwarden_processor.recall import Counts, Identity
from spanwarden_processor.scoring_settings import ScoringSettings
from spanwarden_processor.tracked import TrackedSession, worse
from spanwarden_processor.types import SpanRef, Status, Step

_NAMES_PER_SESSION = 4


class NewStep(Struct, frozen=True):
    """A step that its session has not seen, and the identity it keeps."""

    step: Step
    identity: Identity


class Sighting(Struct, frozen=True):
    """One activity in its session: its new steps in order, and the identities of all that it shows as its own.

    `status` says how far the whole span could be read.
    """

    activity: Activity
    tracked: TrackedSession
    new: Sequence[NewStep]
    own: Sequence[Identity]
    status: Status

    @property
    def shown(self) -> Sequence[Identity]:
        """The identities of what counts as shown here: its own, and what is new although it stands in the history."""
        return (*self.own, *(each.identity for each in self.new if each.identity not in self.own))


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

    def feed(self, activities: Iterable[Activity], now_ns: int, source: str | None = None) -> list[Sighting]:
        """Each activity in its session; their new steps are to be admitted in this order.

        `source` is the sender, where it was authenticated.
        """
        sightings = []
        resource: Mapping[str, Any] | None = None
        sender = source or ""
        for activity in activities:
            span = activity.span
            if source is None and span.resource is not resource:
                resource = span.resource
                sender = f"{resource.get('service.namespace') or ''}/{resource.get('service.name') or ''}"
            tracked = self._session_of(activity, sender)
            tracked.last_ns, tracked.idle, tracked.trace_id = now_ns, False, span.trace_id
            sightings.append(self._sighting(activity, tracked))
            self._bytes += tracked.weigh()
            if self._bytes > self._limits.state_bytes or len(self._sessions) > self._limits.sessions:
                self._evict(tracked)
        return sightings

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
        span, reading = activity.span, activity.reading
        ref = span.ref
        flaws: set[Flaw] = set()
        new: list[NewStep] = []
        own: Sequence[Identity] = ()
        repeated: Counts = {}
        if reading.left_out and reading.left_out > tracked.recall.keys:
            tracked.missing = True
        if reading.system:
            stream, parts = self._unread(reading.system, tracked.instructions, flaws)
            given = self._reader.system(parts, stream.flaws)
            _sight(tracked, given, stream.counts, (ref, span.start_ns), new)
            flaws |= stream.flaws
        if reading.history:
            stream, messages = self._unread(reading.history, tracked.messages, flaws)
            given = self._reader.steps(messages, stream.flaws)
            _sight(tracked, given, stream.counts, (ref, span.start_ns), new)
            flaws |= stream.flaws
            repeated = stream.counts
        if reading.operation == "agent":  # it repeats what other spans show as theirs
            _sight(tracked, activity.own, dict(repeated), (ref, span.end_ns), new)
        elif activity.own:
            counts = tracked.channel(reading.operation, span.scope)
            own = _sight(tracked, activity.own, counts, (ref, span.end_ns), new)
        return Sighting(activity, tracked, new, own, _status(activity, tracked, flaws))

    def _unread(self, content: Any, history: History, flaws: set[Flaw]) -> tuple[Stream, Any]:
        """What of the content was not read before, and the conversation that it goes on with."""
        text, stream = history.unread(content) if isinstance(content, str) else (content, Stream(self._seed))
        if text == "[]":
            return stream, ()
        value, flaw = self._reader.values(text)
        if flaw is not None:
            flaws.add(flaw)
            return stream.copy(), value  # it comes again, and must count then as if for the first time
        stream.remember()
        return stream, value

    def _session_of(self, activity: Activity, sender: str) -> TrackedSession:
        name, trace_id = activity.reading.session, activity.span.trace_id
        by_trace = (sender, "trace", trace_id)
        known = self._names.get(by_trace)
        session_id = self._named((sender, "name", name), known) if name is not None else known or self._id(by_trace)
        if known is None:
            self._remember(by_trace, session_id)
        tracked = self._sessions.get(session_id)
        if tracked is None:
            tracked = self._begin(session_id, activity.span.resource)
        else:
            self._sessions.move_to_end(session_id)
        if name is not None:
            tracked.named = True
        return tracked

    def _named(self, name: tuple[str, str, str], by_trace: str | None) -> str:
        """The session of this name. A trace that was a session of its own until now gives it its first."""
        session_id = self._names.get(name)
        if session_id is not None and session_id == by_trace:
            return session_id
        earlier = self._sessions.get(by_trace) if by_trace else None
        nameless = earlier is not None and not earlier.named
        if session_id is None:
            session_id = by_trace if by_trace and nameless else self._id(name)
            self._remember(name, session_id)
        elif nameless:
            self._found_to_be_one(earlier, self._sessions.get(session_id))
        return session_id

    def _found_to_be_one(self, *parts: TrackedSession | None) -> None:
        """Two sessions turn out to be the same work; each lacks what the other has, and stays so."""
        if any(part is not None and not part.missing for part in parts):
            self.counts["sessions_apart"] += 1
        for part in parts:
            if part is not None:
                part.missing = True

    def _begin(self, session_id: str, resource: Mapping[str, Any]) -> TrackedSession:
        service = str(resource.get("service.name") or "unknown_service")
        tracked = TrackedSession(session_id, service, self._seed, self._limits)
        tracked.missing = session_id in self._known
        if not tracked.missing:
            self._new.append(session_id)
            self._remember_known(session_id)
        self._sessions[session_id] = tracked
        self._bytes += tracked.weigh()
        return tracked

    def _evict(self, in_use: TrackedSession) -> None:
        """Drop the sessions that were idle longest while there are too many, or they are too large."""
        while len(self._sessions) > 1 and (
            len(self._sessions) > self._limits.sessions or self._bytes > self._limits.state_bytes
        ):
            session_id = next(iter(self._sessions))
            if session_id == in_use.session_id:
                return
            self._bytes -= self._sessions.pop(session_id).weight_bytes
            self.counts["sessions_evicted"] += 1

    def _remember(self, key: tuple[str, str, Any], session_id: str) -> None:
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


def _sight(
    tracked: TrackedSession, steps: Iterable[Shown], counts: Counts, place: tuple[SpanRef, int], new: list[NewStep]
) -> list[Identity]:
    """The identities of steps that a channel with these counts shows in a span, at a time. Add to `new` what is."""
    identities = []
    for shown in steps:
        identity, is_new = tracked.recall.sight(shown, counts)
        identities.append(identity)
        if is_new:
            step = shown.step(*place)
            tracked.text_characters += len(step.text)
            new.append(NewStep(step, identity))
    return identities


def _status(activity: Activity, tracked: TrackedSession, flaws: set[Flaw]) -> Status:
    status = activity.status
    for flaw in flaws:
        status = worse(status, flaw)
    return worse(status, "partial") if tracked.partial else status
