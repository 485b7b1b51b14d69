"""The nouns of a session's memory, and the bounded containers that keep them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from spanwarden_processor.effects.effect import Effect
from spanwarden_processor.texts.denials import Control
from spanwarden_processor.texts.injections import Injection
from spanwarden_processor.texts.outcomes import CheckKind, Passed
from spanwarden_processor.texts.requests import Clause, clauses_of
from spanwarden_processor.types import Step

Refuser: TypeAlias = Control | Literal["user"]
"""What or who refused: a control, or the user in so many words."""

MAX_EXCERPT: Final = 8_192
"""Characters kept of a step that an index holds."""

MAX_LISTING: Final = 4_096
MAX_REQUEST: Final = 65_536
"""Characters kept of trusted text."""
MAX_EFFECTS_KEPT: Final = 64
MAX_DATA_KEPT: Final = 2_048

Key = TypeVar("Key")
Value = TypeVar("Value")


class Memory:
    """What the indexes of one session have in common: whether one of them had to forget something."""

    __slots__ = ("forgot",)

    def __init__(self) -> None:
        self.forgot = False


class Kept(Generic[Value]):
    """A list of at most `limit` values that forgets its oldest, and tells `memory` of it, if there is one.

    As small as can be while it is empty: a session has many, and most stay so.
    """

    __slots__ = ("_limit", "_memory", "_values")

    def __init__(self, limit: int, memory: Memory | None = None) -> None:
        self._values: list[Value] = []
        self._limit = limit
        self._memory = memory

    def add(self, value: Value) -> None:
        """Keep `value`."""
        if len(self._values) == self._limit:
            del self._values[0]
            if self._memory is not None:
                self._memory.forgot = True
        self._values.append(value)

    def __iter__(self) -> Iterator[Value]:
        return iter(self._values)

    def __reversed__(self) -> Iterator[Value]:
        return reversed(self._values)

    def __len__(self) -> int:
        return len(self._values)


class KeptMap(dict[Key, Value]):
    """A map of at most `limit` entries that forgets the one that was added first, and tells `memory` of it."""

    __slots__ = ("_limit", "_memory")

    def __init__(self, limit: int, memory: Memory) -> None:
        super().__init__()
        self._limit = limit
        self._memory = memory

    def __setitem__(self, key: Key, value: Value) -> None:
        if len(self) >= self._limit and key not in self:
            del self[next(iter(self))]
            self._memory.forgot = True
        super().__setitem__(key, value)

    def take(self, key: Key) -> Value | None:
        """Remove the entry of `key` and hand it back, or None."""
        return self.pop(key, None)


class Call(Struct, frozen=True):
    """A tool call with its effects; `check` says what it checks, if it is a run of tests, a build or a linter."""

    step: Step
    effects: tuple[Effect, ...]
    check: CheckKind | None


class Request(NamedTuple):
    """Trusted text. `delegated` is text of a file that the user told the agent to follow.

    That may ask, as the user would, but it cannot lift a denial.
    """

    step: Step
    delegated: bool = False

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """What it asks for and forbids. Most text is never asked, so this is found out only then (and remembered)."""
        return clauses_of(self.step.text)


class Injected(NamedTuple):
    """Instructions to the model in a tool's answer, and the step that brought them."""

    injection: Injection
    step: Step


class Attempt(Struct, frozen=True):
    """The latest call that tried something, and how its answer looked; None while there is none."""

    effect: Effect
    worked: bool | None
    answer: Step | None


class Denial(NamedTuple):
    """A refusal: what refused, in what words (verbatim in `step`), which call; or the user's clause that forbids."""

    control: Refuser
    quote: str
    step: Step
    call: Call | None
    clause: Clause | None


class Run(NamedTuple):
    """A run of tests, a build or a linter, and what its answer said. `quote` is the line that tells of a failure."""

    call: Call
    result: Step
    kind: CheckKind
    passed: Passed
    quote: str


class KnownSecret(NamedTuple):
    """A secret that was seen: where it came from, the step that showed it, and names that stood beside it."""

    kind: str
    value: str
    source: str
    step: Step
    beside: tuple[str, ...]


class Written(NamedTuple):
    """A file that the agent wrote: in which step last, and whether the agent itself had created it."""

    number: int
    created: bool


def remembered(call: Call) -> Call:
    """`call` as an index keeps it: its first effects, with the beginning of what they carry."""
    effects = tuple(map(_shortened, call.effects[:MAX_EFFECTS_KEPT]))
    return Call(excerpt(call.step), effects, call.check)


def _shortened(effect: Effect) -> Effect:
    if len(effect.data) <= MAX_DATA_KEPT and len(effect.old) <= MAX_DATA_KEPT:
        return effect
    return replace(effect, data=effect.data[:MAX_DATA_KEPT], old=effect.old[:MAX_DATA_KEPT])


def excerpt(step: Step, around: str = "", limit: int = MAX_EXCERPT) -> Step:
    """`step` with at most `limit` characters of its text: those about `around`, else its beginning."""
    if len(step.text) <= limit:
        return step
    position = step.text.find(around) if around else 0
    start = max(0, position - limit // 2)
    return replace(step, text=step.text[start : start + limit], arguments=None)


class Indexes:
    """What a session remembers. Every index is bounded; `evicted` says that one of them had to forget something."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._memory = memory = Memory()
        self.steps_admitted = 0
        self.overlooked = False
        """Whether a step was too long or too strange to be read as a whole."""
        self.reasoning_seen = False
        """Whether any reasoning that can be read was shown."""
        self.requests: Kept[Request] = Kept(128, memory)
        """Trusted text, with its clauses."""
        self.denials: Kept[Denial] = Kept(64, memory)
        """Refusals by a control, a person or the user's own words, oldest first."""
        self.approvals: KeptMap[str, int] = KeptMap(256, memory)
        """Step number of the latest trusted approval of a call, by call id (empty: of whatever came before)."""
        self.runs: Kept[Run] = Kept(128)
        """Runs of tests, builds and linters whose answer has come."""
        self.thoughts: Kept[Step] = Kept(6)
        """The latest reasoning and messages of the agent."""
        self.secrets: KeptMap[str, KnownSecret] = KeptMap(128, memory)
        """Secrets that tool answers, or the user, have shown, by their value."""
        self.reads: KeptMap[str, int] = KeptMap(2048, memory)
        """Files that the agent has read, by normal path, with the number of the step."""
        self.written: KeptMap[str, Written] = KeptMap(2048, memory)
        """Files that the agent has written, by normal path."""
        self.assertions: KeptMap[str, tuple[str, ...]] = KeptMap(128, memory)
        """What test files claim, by normal path: the lines that the agent has read."""
        self.listings: Kept[str] = Kept(32)
        """The beginnings of listings and test reports: which files there were before the agent wrote any."""
        self.pieces: KeptMap[tuple[str, str], frozenset[tuple[int, int]]] = KeptMap(128, memory)
        """By host and secret: which parts of the secret were sent there (from, to)."""
        self.tainted: KeptMap[str, tuple[str, ...]] = KeptMap(512, memory)
        """Files that hold what was copied from others, by normal path, with those others."""
        self.injections: Kept[Injected] = Kept(32, memory)
        """Instructions to the model that tool answers brought, oldest first."""
        self.attempts: KeptMap[tuple[str, str], Attempt] = KeptMap(512, memory)
        """By verb and target: what was tried last, and whether it worked."""
        self.commands: KeptMap[str, int] = KeptMap(1024, memory)
        """Command lines that were run, shortened, with the number of the latest step."""
        self.calls = 0
        """How many tool calls there were."""
        self.branch = ""
        """The git branch that the agent is on, as far as its commands and their answers tell."""
        self.remotes: KeptMap[str, str] = KeptMap(32, memory)
        """Git remotes that the agent added or changed, with their addresses."""
        self.names: KeptMap[str, str] = KeptMap(64, memory)
        """Aliases and copies of programs, by name, with what they stand for."""
        self.followed: KeptMap[str, int] = KeptMap(512, memory)
        """What the user told the agent to follow: paths and addresses."""
        self.scripts: KeptMap[str, str] = KeptMap(64, memory)
        self.pending: KeptMap[str, Call] = KeptMap(512, memory)
        self.early: KeptMap[str, Step] = KeptMap(64, memory)
        self.latest: Call | None = None
        """The call that was admitted last, with its effects."""

    @property
    def evicted(self) -> bool:
        """True once an index had to forget something that a rule might have needed, or a step was not read whole."""
        return self.overlooked or self._memory.forgot
