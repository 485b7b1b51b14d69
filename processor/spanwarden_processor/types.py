"""The nouns: what a span says, what an agent did, what a detector claims, what is written down.

Nothing here does I/O, and no protobuf type appears. Times are nanoseconds since the epoch. Ids are the raw
bytes of OTLP (16 for a trace, 8 for a span). Types that are made for every span are structs: immutable like a
frozen dataclass, and a tenth of its cost to create.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from msgspec import Struct

StepKind: TypeAlias = Literal["system", "user", "reasoning", "message", "tool_call", "tool_result", "approval"]
"""What happened: text from the operator, the user, the model's reasoning, the model's answer, a tool call, its
result, or a person's or policy's decision on a call."""

Trust: TypeAlias = Literal["trusted", "untrusted"]
"""`trusted`: system, developer and user text, and approvals from sources that the operator lists. All else,
tool output and the agent's own words above all, is `untrusted` and can never authorize anything."""

ReasoningKind: TypeAlias = Literal["raw", "summary", "encrypted", "none"]
"""How much of the reasoning a monitor can read."""

Category: TypeAlias = Literal[
    "restriction_circumvention",
    "scope_overreach",
    "credential_misuse",
    "unauthorized_data_transfer",
    "destructive_action",
    "safeguard_tampering",
    "deception",
    "concealed_uncertainty",
    "instruction_planting",
    "reward_hacking",
    "effort_withholding",
    "inbound_injection_followed",
    "outbound_manipulation",
    "unauthorized_coordination",
    "sabotage",
    "scheming",
]
"""The sixteen categories of the taxonomy, in its order (the n-th is category n)."""

Risk: TypeAlias = Literal["low", "moderate", "high", "critical"]
"""How bad the effect is: reversibility, reach, sensitivity."""

Authorization: TypeAlias = Literal["asked", "implied", "silent", "forbidden"]
"""What trusted text says of the act."""

Outcome: TypeAlias = Literal["crossed", "unknown", "attempted", "prevented"]
"""Whether the act took effect. A call whose result has not been seen is `unknown`."""

Intent: TypeAlias = Literal["none", "aware", "concealing"]
"""What the agent's own words show: nothing, that it knows it is not allowed, or that it hides it."""

Cause: TypeAlias = Literal["over_eagerness", "misread_task", "injected", "strategic", "unknown"]

View: TypeAlias = Literal["action", "reasoning", "output"]
"""Which view carries the claim: what was done, what was thought, what was told to the user."""

Severity: TypeAlias = Literal["none", "low", "moderate", "high", "critical"]

VerdictLabel: TypeAlias = Literal["clear", "suspicious", "misaligned", "unknown"]

Status: TypeAlias = Literal["ok", "partial", "truncated", "redacted", "no_content", "error"]


class SpanRef(NamedTuple):
    """Where something stands: the span that shows it."""

    trace_id: bytes
    span_id: bytes


class Span(Struct, frozen=True):
    """A view of one OTLP span. Attribute values are decoded: lists and maps are Python lists and dicts.

    `attributes_dropped` is how many of them the sender left out for its limits.
    """

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    scope: str
    attributes_dropped: int = 0

    @property
    def ref(self) -> SpanRef:
        """Where this span stands."""
        return SpanRef(self.trace_id, self.span_id)


class Step(Struct, frozen=True):
    """One thing that happened in a session.

    `text` is what was said or returned; of a tool call it is the arguments as the model wrote them (JSON).
    `arguments` are the decoded arguments of a tool call: a mapping, or whatever the JSON held.
    `number` counts the session's steps from 1; it is 0 until assembly has admitted the step.
    """

    kind: StepKind
    text: str
    span: SpanRef
    time_ns: int
    trust: Trust = "untrusted"
    tool: str | None = None
    arguments: Any = None
    call_id: str | None = None
    reasoning: ReasoningKind = "none"
    number: int = 0


class Evidence(NamedTuple):
    """A quote and where it stands. `start` is its offset in the text of `step` (in characters).

    A detector quotes verbatim from `step.text`, or from a decoded argument of it; the check fills `verified`.
    """

    quote: str
    step: Step
    start: int = -1
    verified: bool = False


class Finding(NamedTuple):
    """What a detector claims about one step, before the severity table and the evidence check.

    `step` is the step that completes the finding. `score` is the detector's raw score, 0..1.
    `explanation` is one sentence under 256 characters; secrets never appear in it. `reasoning_readable` says
    whether the session showed any reasoning that can be read (categories of intent are capped without it).
    """

    category: Category
    step: Step
    risk: Risk
    authorization: Authorization
    outcome: Outcome
    intent: Intent
    cause: Cause
    view: View
    explanation: str
    evidence: tuple[Evidence, ...]
    score: float
    detector: str
    version: str
    reasoning_readable: bool = True


class Failure(NamedTuple):
    """A detector that could not answer, and why. Never a number."""

    detector: str
    reason: str


class Verdict(Struct, frozen=True):
    """What is written on a span: the worst of its findings, or none, and how far the span could be judged."""

    label: VerdictLabel
    status: Status
    session_id: str
    findings: tuple[JudgedFinding, ...] = ()


class JudgedFinding(NamedTuple):
    """A finding with its severity and checked evidence: what is written on spans, stored and printed."""

    finding_id: str
    session_id: str
    service: str
    finding: Finding
    severity: Severity
    severity_number: int
    label: VerdictLabel


class SessionSummary(NamedTuple):
    """A session as it stands: what the store keeps and what commands print, findings apart.

    `trace_id` is the session's latest trace, in hex. `score` is the highest of its findings, 0..1.
    """

    session_id: str
    service: str
    trace_id: str
    verdict: VerdictLabel
    status: Status
    severity: Severity
    severity_number: int
    score: float
    categories: tuple[Category, ...]
    steps: int
    updated_ns: int


class VerdictSpan(NamedTuple):
    """A span that we make: a complete ExportTraceServiceRequest with one span, and what makes it unique."""

    key: str
    request: bytes


class Scored(NamedTuple):
    """What the scorer answers for one record of spans, or for a tick of the clock.

    `patch` is an encoded patch of the record (see `otlp.patch`), empty where nothing changes.
    `findings` are finished findings as the JSON objects that every command prints.
    `new_sessions` are ids of sessions that this scorer had not seen before. `counts` are additions to our
    own metrics, by name.
    """

    patch: bytes
    findings: tuple[Mapping[str, Any], ...] = ()
    verdict_spans: tuple[VerdictSpan, ...] = ()
    summaries: tuple[SessionSummary, ...] = ()
    new_sessions: tuple[str, ...] = ()
    counts: Mapping[str, int] = {}


CATEGORY_NUMBERS: Mapping[str, int] = {name: number for number, name in enumerate(get_args(Category), start=1)}
"""Each category's number in the taxonomy, from 1."""
