"""What an agent tells the user in, what it claims to have done out: tests, builds, commands, files, deliveries."""

from __future__ import annotations

import re
from functools import cache
from typing import Final, Literal, NamedTuple, TypeAlias

from spanwarden_processor.patterns import Expressions

ClaimKind: TypeAlias = Literal[
    "tests pass", "build passes", "ran command", "wrote file", "pushed", "committed", "sent", "deleted"
]
"""What is claimed."""

_DONE: Final = r"(?:i(?:'ve| have)?|we(?:'ve| have)?) (?:also |now |just |then |successfully )*"
_PATTERNS: Final[dict[str, str]] = {
    "tests pass": (
        r"\b(?:all |the |every |unit |full |existing |integration )*tests?(?: suite| cases?)? (?:is |are |have |"
        r"has |now |all |still |both |successfully |currently |and )*(?:pass(?:es|ed|ing)?|green|succeed(?:s|ed)?|"
        r"succeeding)\b"
        r"|\b(?:pass(?:es|ed|ing)? (?:all|the|every) (?:\w+ ){0,3}tests?)\b|\b100 ?% (?:of )?(?:the )?tests? pass|"
        r"\btest suite (?:is |now )*(?:green|passing|clean)\b"
        r"|alle tests (?:laufen durch|sind grün|bestehen|bestanden)|tous les tests (?:passent|réussissent)|"
        r"todas? l[ao]s pruebas pasan|todos os testes passam|все тесты (?:проходят|прошли)|所有测试(?:都)?(?:已)?通过|"
        r"テストは?(?:すべて|全て)?(?:通り|成功|パス)"
    ),
    "build passes": (
        r"\b(?:the )?(?:build|project|code|application|app) (?:is |now |also |successfully )*(?:builds?|built|"
        r"compiles?|compiled|succeed(?:s|ed)?|passes|passed)(?: (?:successfully|cleanly|without errors))?\b"
    ),
    "ran command": _DONE + r"(?:ran|run|executed) (?:the (?:command )?)?`[^`\n]{2,120}`",
    "wrote file": (
        rf"{_DONE}(?:created|written|wrote|saved|updated|modified|edited|added|fixed) "
        r"(?:(?:the|a|an|new|file|script|report|to|it|in|your|results?|summary|output) ){0,4}"
        r"`?[~./\w-]+\.\w{1,6}\b`?"
    ),
    "pushed": (
        rf"{_DONE}pushed\b|\b(?:changes|branch|commits?|fix|code) (?:have |has |were |was |are |is )(?:been )?"
        r"(?:successfully )?pushed\b"
    ),
    "committed": (
        rf"{_DONE}committed\b|\b(?:changes|fix|code) (?:have |has |were |was )(?:been )?(?:successfully )?committed\b"
    ),
    "sent": (
        rf"{_DONE}(?:sent|e-?mailed|delivered|forwarded)\b|\b(?:e-?mail|message|report|invitation) "
        r"(?:has |have |was |were )(?:been )?(?:successfully )?(?:sent|delivered)\b"
    ),
    "deleted": rf"{_DONE}(?:deleted|removed|cleaned up)\b",
}
_HEDGED: Final = re.compile(
    r"\b(?:should|would|will|could|may|might|if|once|when|ensure|make sure|makes sure|until|need(?:s|ed)?|"
    r"expect(?:ed)?|not|n't|except|however|although|but|fail\w*|remain\w*|unrelated|before|after which|"
    r"let me|let's|going to|want|try|tried|plan|next|to (?:make|get|have)|unable|couldn't|cannot|partial\w*|some|"
    r"most|[0-9]+ (?:of|out of) [0-9]+|soll\w*|wenn|cuando)\b|\?|[1-9][0-9]*/[1-9]",
    re.IGNORECASE,
)
_ADMITS: Final = re.compile(
    r"\b(?:still |currently |pre-?existing |known |remaining )?(?:fail(?:s|ed|ing|ures?)?)\b|"
    r"\bcould ?n[o']t (?:run|execute|verify|push|send)|\bnot (?:been )?(?:run|verified|tested|pushed|sent)|"
    r"\bunable to|\bdid ?n[o']t (?:run|push|send|work)|"
    r"\bremaining\b|\b(?:let me|i(?:'ll| will| need to| must)) (?:now )?(?:fix|address|investigate|debug|"
    r"look into|resolve)\b|\b(?:was|were) (?:rejected|denied|blocked)|\berrors? (?:remain|persist|occurred)|"
    r"schlägt fehl|échou|falla|"
    r"не проход|失败",
    re.IGNORECASE,
)
_NAME: Final = re.compile(r"`([^`\n]{2,120})`|([~./\w-]+\.\w{1,6})\b")
_SENTENCE_END: Final = re.compile(r"[.!?](?=\s)|\n")
_MAX_TEXT: Final = 32_768
_MAX_CLAIMS: Final = 12


class Claim(NamedTuple):
    """A claim, in the words of the message; `name` is the file or command that it names, where it names one."""

    kind: ClaimKind
    quote: str
    name: str


def claims_in(text: str) -> list[Claim]:
    """What a message claims without hedging, at most a dozen claims."""
    shown = text[-_MAX_TEXT:]
    found: list[Claim] = []
    for kind, match in _patterns().all_in(shown):
        sentence = _sentence(shown, match.start(), match.end())
        if len(found) < _MAX_CLAIMS and not _HEDGED.search(sentence):
            name = _NAME.search(match[0])
            found.append(Claim(kind, sentence[:240], (name[1] or name[2]) if name else ""))  # type: ignore[arg-type]
    return found


def admits_failure(text: str) -> bool:
    """Whether a message says of anything that it did not work."""
    return _ADMITS.search(text[-_MAX_TEXT:]) is not None


def _sentence(text: str, start: int, end: int) -> str:
    before = [found.end() for found in _SENTENCE_END.finditer(text, max(0, start - 600), start)]
    after = _SENTENCE_END.search(text, end, end + 600)
    return text[before[-1] if before else max(0, start - 600) : after.start() + 1 if after else end + 600].strip()


@cache
def _patterns() -> Expressions:
    return Expressions(_PATTERNS)
