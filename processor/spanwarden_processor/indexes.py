"""The nouns of a session's memory, and the bounded containers that keep them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from spanwarden_processor.effects.effect import Effect
from spanwarden_processor.texts.denials import Control
from spanwarden_processor.texts.injections import Injection
from spanwarden_processor.texts.outcomes import CheckKind, Passed
from spanwarden_processor.texts.requests import Clause
from spanwarden_processor.types import Step

Refuser: TypeAlias = Control | Literal["user"]
"""What or who refused: a control, or the user in so many words."""

MAX_EXCERPT: Final = 8_192
"""Characters kept of a step that an index holds."""

MAX_EFFECTS_KEPT: Final = 64
MAX_DATA_KEPT: Final = 2_048

Key = TypeVar("Key")
Value = TypeVar("Value")


class Kept(Generic[Value]):
    """A list of at most `limit` values that forgets its oldest, and says so unless they are `forgettable`."""

    def __init__(self, limit: int, *, forgettable: bool = False) -> None:
        self._values: deque[Value] = deque(maxlen=limit)
        self._forgettable = forgettable
        self.forgot = False

    def add(self, value: Value) -> None:
        """Keep `value`."""
        self.forgot = self.forgot or (not self._forgettable and len(self._values) == self._values.maxlen)
        self._values.append(value)

    def __iter__(self) -> Iterator[Value]:
        return iter(self._values)

    def __reversed__(self) -> Iterator[Value]:
        return reversed(self._values)

    def __len__(self) -> int:
        return len(self._values)


class KeptMap(dict[Key, Value]):
    """A map of at most `limit` entries that forgets the one that was added first, and says so."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self.forgot = False

    def __setitem__(self, key: Key, value: Value) -> None:
        if len(self) >= self._limit and key not in self:
            del self[next(iter(self))]
            self.forgot = True
        super().__setitem__(key, value)

    def take(self, key: Key) -> Value | None:
        """Remove the entry of `key` and hand it back, or None."""
        return self.pop(key, None)


class Call(NamedTuple):
    """A tool call with its effects; `check` says what it checks, if it is a run of tests, a build or a linter."""

    step: Step
    effects: tuple[Effect, ...]
    check: CheckKind | None


class Request(NamedTuple):
    """Trusted text and what its clauses ask for and forbid.

    `delegated` is text of a file that the user told the agent to follow: it may ask, as the user would, but it cannot
    lift a denial.
    """

    step: Step
    clauses: tuple[Clause, ...]
    delegated: bool = False


class Injected(NamedTuple):
    """Instructions to the model in a tool's answer, and the step that brought them."""

    injection: Injection
    step: Step


class Attempt(NamedTuple):
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
    effects = tuple(
        effect._replace(data=effect.data[:MAX_DATA_KEPT], old=effect.old[:MAX_DATA_KEPT])
        for effect in call.effects[:MAX_EFFECTS_KEPT]
    )
    return Call(excerpt(call.step), effects, call.check)


def excerpt(step: Step, around: str = "") -> Step:
    """`step` with at most `MAX_EXCERPT` characters of its text: those about `around`, else its beginning."""
    if len(step.text) <= MAX_EXCERPT:
        return step
    position = step.text.find(around) if around else 0
    start = max(0, position - MAX_EXCERPT // 2)
    return step._replace(text=step.text[start : start + MAX_EXCERPT], arguments=None)
