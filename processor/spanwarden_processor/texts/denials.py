"""A tool's answer in, a control's refusal out: policy, hook, protected branch, proxy, sandbox, permission prompt.

An error of the world (no such file, connection refused, syntax error) is no refusal: nobody decided it. A bare
`Permission denied` or `403` may be either, and is reported as `weak`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final, Literal, NamedTuple, TypeAlias

from spanwarden_processor.patterns import Expressions

Control: TypeAlias = Literal["hook", "branch", "proxy", "sandbox", "approval", "policy", "access", "weak"]
"""What refused. `access` is a permission system of some service; `weak` may be no control at all."""

_CONTROL: Final = (
    r"(?:polic(?:y|ies)|guard ?rails?|sandbox|fire ?wall|prox(?:y|ies)|hooks?|administrators?|admin|organi[sz]ation|"
    r"security (?:control|rule|team|group|module|check)s?|permission (?:rule|system|mode|setting)s?|(?:allow|deny|"
    r"block|white|black)-?list|"
    r"compliance|governance|restrictions?|egress|branch protection|admission webhook|access control|rule ?sets?|safety)"
)
_REFUSED: Final = (
    r"(?:denie[sd]|den(?:y|ies)|block(?:s|ed|ing)|reject(?:s|ed)|refuse[sd]?|forbid(?:s|den)?|prohibit(?:s|ed)|"
    r"disallow(?:s|ed)|prevent(?:s|ed)|restrict(?:s|ed)|declined|violat(?:es|ed|ion)|does not (?:allow|permit)|"
    r"not (?:be )?(?:allowed|permitted|authori[sz]ed|whitelisted))"
)
_ACTION: Final = (
    r"(?:action|command|operation|tool|tool call|tool use|request|push|push(?:ing|es)|domain|host|url|site|access|"
    r"connection|network access|outbound "
    r"(?:traffic|connection|access)s?|execution|call|path|write|writing|write access|deletion|deleting|"
    r"destination|file|upload|recipient|transfer|modification)s?"
)

_IS_REFUSED: Final = (
    r"(?:is|are|was|were|has been|have been|must) (?:currently |explicitly |strictly )?"
    r"(?:not (?:be )?(?:allowed|permitted|authori[sz]ed)|blocked|denied|forbidden|disallowed|prohibited|restricted"
    r"|rejected|refused)"
)
_REFUSED_ACTION: Final = (
    r"(?:blocked|denied|refused|disallowed|forbidden) (?:command|action|operation|tool|domain|host|url|request)\b"
)

PATTERNS: Final[dict[str, str]] = {
    "hook": (
        r"\b(?:pre-(?:push|commit|receive|tool)|post-tool|update|commit-msg|pretooluse) hook\b.{0,40}(?:declin|"
        r"reject|fail|block|den|refus|exit)|hook declined|blocked by (?:the )?(?:\S+ )?hook"
    ),
    "branch": (
        r"protected branch|\bGH00[0-9]\b|\bGH01[0-9]\b|branch is protected|not allowed to (?:force[- ])?push|"
        r"remote rejected|push (?:declined|rejected) due to"
    ),
    "proxy": (
        rf"(?:prox(?:y|ies)|fire ?wall|egress|gateway|dns filter|network polic(?:y|ies))\b.{{0,60}}{_REFUSED}"
        rf"|{_REFUSED} by .{{0,30}}(?:prox(?:y|ies)|fire ?wall|egress|gateway)"
        r"|not (?:in|on) the (?:\w+ ){0,2}(?:allow|white)-?list|x-deny-reason|(?:host|domain|url) is blocked"
        r"|connect tunnel failed, response 4|received http code 403 from proxy|403 from proxy"
    ),
    "sandbox": (
        rf"sandbox\b.{{0,60}}(?:{_REFUSED}|restrict|read-only|disabled)|{_REFUSED} by .{{0,20}}sandbox"
        r"|outside (?:of )?the (?:\w+ ){0,2}(?:workspace|sandbox|allowed director|project director)"
        r"|seccomp|network access is disabled"
    ),
    "approval": (
        r"(?:requires?|needs?|awaiting|without|pending) (?:[\w'-]+ ){0,4}(?:approval|authori[sz]ation|sign-?off|"
        r"confirmation by|permission from)\b|approval (?:is )?(?:required|denied|rejected|not granted)|"
        r"(?:rejected|denied|declined|cancell?ed|refused|disallowed) by (?:the )?(?:user|operator|human|reviewer|"
        r"owner)|(?:user|operator|human|reviewer) (?:has )?(?:rejected|denied|declined|refused|doesn't want|"
        r"does not want|did not approve)|permission to use .{1,60} (?:has been )?denied"
    ),
    "policy": (
        rf"{_REFUSED} by .{{0,50}}{_CONTROL}|{_CONTROL}\b.{{0,60}}\b{_REFUSED}"
        r"|against (?:the |our |company )?(?:polic|rule)|policy[- ](?:violation|denied|check failed)"
        r"|prohibited by|for security reasons|explicit deny"
        r"|match(?:es|ed)? (?:\w+ ){0,3}(?:deny|block|forbid)[- ]?(?:list|rule|pattern)"
        r"|^\W{0,4}(?:error:? ?)?(?:blocked|denied|rejected|refused|disallowed|not allowed|not permitted)\s?[:!(]"
    ),
    "access": (
        r"accessdenied(?:exception)?\b|is not authori[sz]ed to perform|insufficient (?:privileges|permissions|"
        r"scope|rights)|you (?:do not|don't) have (?:the )?(?:permission|access|rights|authori[sz]ation)|"
        r"you are not (?:allowed|permitted|authori[sz]ed)|permission_denied"
    ),
    "action": rf"{_ACTION} (?:\S+ ){{0,4}}?{_IS_REFUSED}|{_REFUSED_ACTION}",
    "foreign": (
        "(?:отказано в доступе|запрещено|拒绝访问|策略阻止|禁止执行|权限不足|許可されていません|접근이 거부"
        "|Zugriff verweigert"
        "|nicht erlaubt|nicht gestattet|accès refusé|acceso denegado|acesso negado|accesso negato)"
    ),
    "weak": r"permission denied|access (?:is )?denied|operation not permitted|\b403\b.{0,20}forbidden|\bforbidden\b",
}
HINTS: Final = {"action": f"{_IS_REFUSED}|{_REFUSED_ACTION}"}
"""What acts there are to refuse is too common to begin with."""

_KINDS: Final[dict[str, Control]] = {
    "hook": "hook",
    "branch": "branch",
    "proxy": "proxy",
    "sandbox": "sandbox",
    "approval": "approval",
    "policy": "policy",
    "access": "access",
    "action": "policy",
    "foreign": "policy",
    "weak": "weak",
}
_NO_REFUSAL: Final = re.compile(
    r"policy-rc\.d|method (?:\S+ )?(?:is )?not allowed|allowed methods|cross-origin|\bCORS\b", re.IGNORECASE
)
"""What installers, web servers and browsers print as a matter of course."""

MAX_ANSWER: Final = 1_000_000
MAX_READ: Final = 500
MAX_FETCHED: Final = 1_500
"""Characters of an answer that may still be a refusal, when the call read a file, or fetched a page."""

_HEAD: Final = 800
_TAIL: Final = 1_600


class Refusal(NamedTuple):
    """A control's refusal: what refused, and the line that says so, verbatim."""

    control: Control
    quote: str


def refusal_in(text: str, *, content_limit: int = MAX_ANSWER) -> Refusal | None:
    """The refusal that a tool's answer reports, if it does.

    Of a long answer only its beginning and its end are read: a refusal is the answer, not a sentence somewhere in it.
    Nothing is read of a text longer than `content_limit`: of a call that only reads, a long answer is what it read.
    """
    if len(text) > content_limit:
        return None
    shown = text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]}\n{text[-_TAIL:]}"
    for name, found in _patterns().first_in(shown):
        line = _line(shown, found.start(), found.end())
        if not _NO_REFUSAL.search(line):
            return Refusal(_KINDS[name], line)
    return None


def _line(text: str, start: int, end: int) -> str:
    begin = text.rfind("\n", 0, start) + 1
    finish = text.find("\n", end)
    line = text[max(begin, start - 100) : len(text) if finish < 0 else finish]
    return line.strip()[:240]


@cache
def _patterns() -> Expressions:
    return Expressions(PATTERNS, HINTS, loose=False)
