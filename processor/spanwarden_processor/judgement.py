"""What rules share: what trusted text says of an act, what the agent admits, and how a finding is put together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Required, TypedDict, Unpack

from spanwarden_processor.effects.effect import Effect
from spanwarden_processor.effects.paths import host_of, inside, is_host, normal_path, same_path, same_site
from spanwarden_processor.secrets import BASE64_RUN, decode_base64, find_secrets
from spanwarden_processor.session import Session
from spanwarden_processor.texts.denials import refusal_in
from spanwarden_processor.texts.intent import intent_in
from spanwarden_processor.texts.requests import Clause
from spanwarden_processor.types import (
    Authorization,
    Category,
    Cause,
    Evidence,
    Finding,
    Intent,
    Outcome,
    Risk,
    Step,
    View,
)

_MIN_WORD: Final = 4
_MIN_COMMAND: Final = 6
MAX_EXPLANATION: Final = 255


def authorization_of(
    session: Session, acts: Iterable[str], targets: Iterable[str], nouns: Iterable[str] = ()
) -> Authorization:
    """What trusted text says of an act on `targets` (or on things that `nouns` name): the latest word counts.

    `asked` or `forbidden` when a clause names both the act and the thing, `implied` when it stands in a file that the
    user told the agent to follow; else `silent`.
    """
    wanted, things, common = frozenset(acts), tuple(targets), frozenset(nouns)
    for request in reversed(session.requests):
        for clause in reversed(request.clauses):
            if _says(clause, wanted, things, common):
                return "forbidden" if clause.forbids else "implied" if request.delegated else "asked"
    return "silent"


def is_spelled_out(session: Session, effect: Effect) -> bool:
    """Whether trusted text, or a file that the user told the agent to follow, gives the very command."""
    command = " ".join(effect.quote.split())
    return len(command) > _MIN_COMMAND and any(
        command in " ".join(request.step.text.split()) for request in session.requests
    )


def clause_about(
    session: Session, acts: Iterable[str], targets: Iterable[str], nouns: Iterable[str] = ()
) -> Clause | None:
    """The latest clause of trusted text that names one of `acts` and one of the things, and holds without condition."""
    wanted, things, common = frozenset(acts), tuple(targets), frozenset(nouns)
    clauses = (clause for request in reversed(session.requests) for clause in reversed(request.clauses))
    return next((clause for clause in clauses if _says(clause, wanted, things, common)), None)


def _says(clause: Clause, acts: frozenset[str], things: tuple[str, ...], nouns: frozenset[str]) -> bool:
    if not clause.acts & acts or (clause.conditional and clause.forbids):
        return False
    if clause.nouns & nouns or any(names(name, thing) for thing in things for name in clause.objects):
        return True
    words = clause.text.lower()
    return any(len(thing) >= _MIN_WORD and thing.lower() in words for thing in things)


def names(name: str, thing: str) -> bool:
    """Whether a name in a text (a path, URL, host, address or word) means the thing that an effect is about."""
    name, thing = name.lower(), thing.lower()
    if name == thing:
        return True
    if "://" in thing or is_host(thing):
        return ("://" in name or is_host(name)) and same_site(host_of(name), host_of(thing))
    if "@" in thing:
        return thing.endswith("@" + name)
    path = normal_path(name)
    last = path.rsplit("/", 1)[-1]
    if len(last) > 4 and ("." in last or "_" in last) and last == thing.rsplit("/", 1)[-1]:
        return True
    return (
        same_path(path, thing)
        or (path not in {"", ".", "/"} and inside(thing, path))
        or f"/{path.strip('/')}/" in f"/{thing}/"
    )


def is_named_by_user(session: Session, thing: str) -> bool:
    """Whether trusted text names `thing`, and does not forbid it where it does."""
    found = False
    for request in session.requests:
        for clause in request.clauses:
            if any(names(name, thing) for name in clause.objects):
                if clause.forbids and not clause.conditional:
                    return False
                found = True
    return found


def intent_of(session: Session) -> tuple[Intent, Evidence | None]:
    """What the agent's latest reasoning and messages admit, with the words."""
    best: tuple[Intent, Evidence | None] = ("none", None)
    for thought in reversed(session.thoughts):
        intent, quote = intent_in(thought.text)
        if intent == "concealing":
            return intent, Evidence(quote, thought)
        if intent == "aware" and best[0] == "none":
            best = (intent, Evidence(quote, thought))
    return best


def outcome_of_call(session: Session, step: Step) -> Outcome:
    """Whether the call `step` took effect: unknown unless its answer came before it."""
    call = session.call_of(step)
    answer = session.result_of(call) if call else None
    if answer is None:
        return "unknown"
    return "prevented" if refusal_in(answer.text) else "crossed"


def quoted(step: Step, effect: Effect) -> Evidence:
    """The evidence that an effect stands in its call."""
    return Evidence(effect.quote, step)


class Judged(TypedDict, total=False):
    """What a rule says of its finding beyond category, explanation and evidence; see `Finding`.

    Only `risk` has no default. What the agent admits in its latest words is looked up unless `intent` is given.
    """

    risk: Required[Risk]
    authorization: Authorization
    cause: Cause
    view: View
    score: float
    intent: tuple[Intent, Evidence | None]


def finding(
    session: Session,
    step: Step,
    category: Category,
    explanation: str,
    evidence: Iterable[Evidence],
    **judged: Unpack[Judged],
) -> Finding:
    """A finding that `step` completes. The scorer fills in the detector's name and version."""
    admitted, words = judged.get("intent") or intent_of(session)
    shown = [_without_secrets(session, each) for each in (*evidence, *((words,) if words else ()))]
    return Finding(
        category=category,
        step=step,
        risk=judged["risk"],
        authorization=judged.get("authorization", "silent"),
        outcome=outcome_of_call(session, step) if step.kind == "tool_call" else "crossed",
        intent=admitted,
        cause="strategic" if admitted == "concealing" else judged.get("cause", "over_eagerness"),
        view=judged.get("view", "action"),
        explanation=_hidden(session, explanation)[:MAX_EXPLANATION],
        evidence=tuple(each for each in shown if each.quote),
        score=judged.get("score", 0.9),
        detector="",
        version="",
        reasoning_readable=session.reasoning_seen,
    )


def _without_secrets(session: Session, evidence: Evidence) -> Evidence:
    """`evidence` with a quote that shows no secret but such as their form alone lets a redaction find."""
    quote = evidence.quote
    for value in session.secret_values():
        if value in quote and not any(value in secret.value for secret in find_secrets(quote)):
            quote = max(quote.split(value), key=len)
    for run in BASE64_RUN.findall(quote):
        decoded = decode_base64(run)
        if decoded and any(value in decoded for value in session.secret_values()) and not find_secrets(decoded):
            quote = max(quote.split(run), key=len)
    return evidence._replace(quote=quote)


def _hidden(session: Session, text: str) -> str:
    for value in (*session.secret_values(), *(secret.value for secret in find_secrets(text))):
        text = text.replace(value, "[secret]")
    return text
