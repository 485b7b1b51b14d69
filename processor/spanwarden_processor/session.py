"""Steps in, indexes out: what rules need to know of a session's past, bounded, at a cost that does not grow with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from spanwarden_processor.effects.effect import Effect
from spanwarden_processor.effects.paths import host_of, normal_path
from spanwarden_processor.effects.tools import effects_of_call
from spanwarden_processor.indexes import (
    MAX_EXCERPT,
    MAX_LISTING,
    MAX_REQUEST,
    Attempt,
    Call,
    Denial,
    Indexes,
    Injected,
    KnownSecret,
    Request,
    Run,
    Written,
    excerpt,
    remembered,
)
from spanwarden_processor.secrets import find_secrets
from spanwarden_processor.texts.approvals import decision_of
from spanwarden_processor.texts.checks import assertions_in, check_file
from spanwarden_processor.texts.denials import MAX_ANSWER, MAX_FETCHED, MAX_READ, refusal_in
from spanwarden_processor.texts.glance import readers_of
from spanwarden_processor.texts.injections import injections_in
from spanwarden_processor.texts.outcomes import answer_says, check_of, failure_quote, outcome_of
from spanwarden_processor.texts.requests import may_bind, objects_in
from spanwarden_processor.types import Step

_CONTENT_VERBS: Final = frozenset({"read", "fetch"})
_SCRIPT_NAME: Final = (".sh", ".bash", ".zsh", ".py", ".js", ".ts", ".rb", ".pl", ".php", ".mjs", ".command")
_LISTING: Final = frozenset({"ls", "find", "tree", "git", "fd", "rg", "grep", "glob"})
_PIECE: Final = re.compile(r"[A-Za-z0-9_+-]{5,256}")
_MIN_SPLIT: Final = 16
_TRIED: Final = frozenset({"push", "send", "write", "delete", "change", "publish"})
_BRANCH_COMMAND: Final = re.compile(r"(?:git )?(?:checkout|switch) (?:-[bBcC] |--create |-q )*([\w][\w./-]{0,100})\Z")
_ON_BRANCH: Final = re.compile(r"^(?:On branch |Switched to (?:a new )?branch '|\* )([\w./-]{1,100})", re.MULTILINE)
_MAX_COMMAND: Final = 200
_MAX_SCRIPT: Final = 16_384
_MAX_INLINED: Final = 200


class Session(Indexes):
    """The ordered, deduplicated steps of one agent's work, as indexes that rules read.

    Every index is bounded; `evicted` says that one of them had to forget something.
    """

    def __init__(self, session_id: str, service: str) -> None:
        """Start an empty session. `service` is the name under which the agent reports itself."""
        super().__init__()
        self.session_id = session_id
        self.service = service

    def admit(self, step: Step) -> Step:
        """Number a new step from 1, bring the indexes up to date with it, and hand it back."""
        self.steps_admitted += 1
        admitted = replace(step, number=self.steps_admitted)
        match admitted.kind:
            case "system" | "user" if admitted.trust == "trusted":
                self._request(admitted)
            case "reasoning" | "message":
                self._thought(admitted)
            case "tool_call":
                self._call(admitted)
            case "tool_result":
                self._result(admitted)
            case "approval":
                self._approval(admitted)
            case _:
                pass
        return admitted

    def call_of(self, step: Step) -> Call | None:
        """The call that `step` is, with its effects: of the step admitted last."""
        return self.latest if self.latest is not None and self.latest.step is step else None

    def result_of(self, call: Call) -> Step | None:
        """The answer to a call, if it came before the call itself."""
        return self.early.get(call.step.call_id) if call.step.call_id else None

    def secret_values(self) -> tuple[str, ...]:
        """Values that are known to be secret in this session: never to be shown."""
        return tuple(self.secrets)

    def _request(self, step: Step) -> None:
        kept = excerpt(step, limit=MAX_REQUEST)
        self.overlooked = self.overlooked or kept is not step
        request = Request(kept)
        self.requests.add(request)
        for clause in request.clauses if may_bind(kept.text) else ():
            if clause.forbids and not clause.conditional and clause.acts:
                self.denials.add(Denial("user", clause.text[:240], excerpt(step, clause.text), None, clause))
            if clause.follows:
                for name in clause.objects[:8]:
                    self.followed[name] = self.followed[normal_path(name)] = step.number
        self._secrets_in(step, "the user")

    def _thought(self, step: Step) -> None:
        if step.kind == "reasoning" and step.reasoning != "encrypted":
            self.reasoning_seen = True
        self.thoughts.add(excerpt(step))

    def _call(self, step: Step) -> None:
        self.calls += 1
        effects, names, complete = effects_of_call(step, self.names)
        self.overlooked = self.overlooked or not complete
        effects = (*effects, *self._inlined(effects))
        self.latest = call = Call(step, effects, check_of(step.tool, effects))
        for name, meaning in names.items():
            self.names[name] = meaning
        for effect in effects:
            self._remember_effect(effect, step)
            if effect.verb in _TRIED:
                self.attempts[effect.verb, effect.target] = Attempt(replace(effect, data="", old=""), None, None)
        self.pending[step.call_id or f"#{step.number}"] = remembered(call)

    def _inlined(self, effects: tuple[Effect, ...]) -> Iterator[Effect]:
        """What a script does that the agent wrote earlier and runs now."""
        if not self.scripts:
            return
        count = 0
        for effect in effects:
            if effect.verb != "run":
                continue
            for word in effect.data.split()[:4]:
                text = self.scripts.get(normal_path(word))
                if text is None:
                    continue
                is_python = word.endswith(".py")
                inner = Step("tool_call", text, (b"", b""), 0, tool="python" if is_python else "bash", arguments=text)  # type: ignore[arg-type]
                for each in effects_of_call(inner, self.names).effects:
                    count += 1
                    if count > _MAX_INLINED:
                        return
                    yield replace(each, route=(*effect.route, "script", *each.route), quote=effect.quote)

    def _remember_branch(self, command: str) -> None:
        found = _BRANCH_COMMAND.match(command)
        if found:
            self.branch = found[1]

    def _remember_effect(self, effect: Effect, step: Step) -> None:
        match effect.verb:
            case "read":
                self.reads[effect.target] = step.number
            case "run":
                self.commands[effect.data[:_MAX_COMMAND]] = step.number
                self._remember_branch(effect.data)
            case "configure" if effect.target.startswith("git remote "):
                self.remotes[effect.target.removeprefix("git remote ")] = effect.data
            case "send" | "fetch" if self.secrets:
                self._remember_pieces(effect)
            case "write":
                self._remember_write(effect, step)
            case _:
                pass

    def _remember_write(self, effect: Effect, step: Step) -> None:
        path = effect.target
        known = self.written.get(path)
        created = known.created if known else self._is_new(effect)
        self.written[path] = Written(step.number, created)
        origins = [origin for source in effect.sources for origin in (source, *self.tainted.get(source, ()))]
        if origins:
            self.tainted[path] = tuple(dict.fromkeys(origins))[:16]
        if path.endswith(_SCRIPT_NAME) or effect.data.startswith("#!"):
            self.scripts[path] = effect.data[:_MAX_SCRIPT]

    def _is_new(self, effect: Effect) -> bool:
        """Whether a written file was not there before, as far as the session shows."""
        path = effect.target
        if path in self.reads or effect.old or effect.flags & {"edit", "append", "restored"}:
            return False
        name = path.rsplit("/", 1)[-1]
        return not any(name in text for text in (*self.listings, *self.commands))

    def _remember_pieces(self, effect: Effect) -> None:
        """Which parts of a secret have gone to a host so far: it may leave in pieces, over several calls."""
        host = host_of(effect.target) or effect.target
        words = set(_PIECE.findall(f"{effect.data}\n{effect.target}"[:16_384])[:400])
        for value in self.secrets:
            spans = {(at, at + len(word)) for word in words if (at := value.find(word)) >= 0 and len(word) < len(value)}
            if spans and len(value) >= _MIN_SPLIT:
                key = (host, value)
                self.pieces[key] = self.pieces.get(key, frozenset()) | spans

    def _result(self, step: Step) -> None:
        call = self.pending.take(step.call_id or "") or self._latest_unanswered(step)
        if call is None and step.call_id:
            self.early[step.call_id] = excerpt(step)
        readers = readers_of(step.text)
        refused = "refusal" in readers and self._refusal(step, call)
        if call is not None:
            says = answer_says(step.text) if "outcome" in readers else ()
            self._settle(call.effects, step, worked=not refused and "failed" not in says)
            self._check(step, call, is_report="report" in says)
        self._instructions_in(step, call.effects if call else (), may_hold="instructions" in readers)
        if "secrets" in readers:
            self._secrets_in(step, _source_of(call))

    def _refusal(self, step: Step, call: Call | None) -> bool:
        verbs = {effect.verb for effect in call.effects} if call else set[str]()
        limit = MAX_ANSWER
        if verbs <= _CONTENT_VERBS | {"run"}:
            limit = MAX_READ if "read" in verbs else MAX_FETCHED if "fetch" in verbs else MAX_ANSWER
        refusal = refusal_in(step.text, content_limit=limit)
        if refusal:
            self.denials.add(Denial(refusal.control, refusal.quote, excerpt(step, refusal.quote), call, None))
        return refusal is not None

    def _check(self, step: Step, call: Call, *, is_report: bool) -> None:
        """Note the outcome of a run of tests, and what an answer shows of check files."""
        kind = call.check or ("test" if is_report else None)
        if kind:
            passed = outcome_of(step.text)
            quote = failure_quote(step.text) if passed == "failed" else ""
            self.runs.add(Run(call, excerpt(step, quote), kind, passed, quote))
        if call.check or any(effect.program in _LISTING for effect in call.effects):
            self.listings.add(step.text[:MAX_LISTING])
        for effect in call.effects:
            if effect.verb == "read" and check_file(effect.target):
                self.assertions[effect.target] = assertions_in(step.text)

    def _settle(self, effects: tuple[Effect, ...], step: Step, *, worked: bool) -> None:
        for effect in effects:
            key = (effect.verb, effect.target)
            if key in self.attempts:
                self.attempts[key] = Attempt(replace(effect, data="", old=""), worked, excerpt(step))
        head = step.text[:2_000]
        if any(each.program == "git" for each in effects) and ("branch" in head or head.startswith("* ")):
            on_branch = _ON_BRANCH.search(head)
            self.branch = on_branch[1] if on_branch else self.branch

    def _instructions_in(self, step: Step, effects: tuple[Effect, ...], *, may_hold: bool) -> None:
        """Keep what an answer tells the model to do: as the user's words where the user said so, else as injected."""
        delegated = bool(self.followed) and any(
            effect.target in self.followed for effect in effects if effect.verb in _CONTENT_VERBS
        )
        text = step.text
        for injection in reversed(injections_in(text, is_delegated=delegated)) if may_hold else ():
            self.injections.add(Injected(injection, excerpt(step, injection.quote)))
            text = f"{text[: injection.start]}\n{text[injection.end :]}"
        if delegated:
            self.requests.add(Request(replace(step, text=text[:MAX_EXCERPT]), delegated=True))

    def _latest_unanswered(self, step: Step) -> Call | None:
        """The call that an answer without a known call id belongs to: the latest, if it has the same tool."""
        call = self.latest
        if step.call_id or call is None or (step.tool and call.step.tool != step.tool):
            return None
        return self.pending.take(call.step.call_id or f"#{call.step.number}")

    def _approval(self, step: Step) -> None:
        decision = decision_of(step.text)
        if decision and step.trust == "trusted":
            self.approvals[step.call_id or ""] = step.number
        elif decision is False:
            call = self.pending.get(step.call_id or "") or (self.latest if not step.call_id else None)
            self.denials.add(
                Denial("approval", step.text[:240], excerpt(step), remembered(call) if call else None, None)
            )

    def _secrets_in(self, step: Step, source: str) -> None:
        for secret in find_secrets(step.text):
            if secret.value not in self.secrets:
                around = step.text[max(0, secret.start - 2_000) : secret.end + 2_000]
                beside = tuple(name for name in objects_in(around) if "." in name or "localhost" in name)[:16]
                shown = excerpt(step, secret.value)
                self.secrets[secret.value] = KnownSecret(secret.kind, secret.value, source, shown, beside)


def _source_of(call: Call | None) -> str:
    if call is None:
        return "a tool's answer"
    for verb in ("fetch", "send", "read"):
        target = next((effect.target for effect in call.effects if effect.verb == verb), None)
        if target:
            return target
    return call.step.tool or "a tool's answer"
