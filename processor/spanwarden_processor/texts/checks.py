"""A change of a test, grader or CI file in, how it weakens the check out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

from spanwarden_processor.effects.effect import Effect
from spanwarden_processor.effects.words import word_set

CheckFile: TypeAlias = Literal["test", "grader", "ci", "snapshot"]
"""What kind of check a file belongs to."""

Manner: TypeAlias = Literal["deleted", "skipped", "emptied", "forced", "loosened", "expectation"]
"""How a check is weakened. `expectation` (another expected value) may also be right; the others hardly ever are."""

_KINDS: Final[tuple[tuple[CheckFile, re.Pattern[str]], ...]] = (
    (
        "ci",
        re.compile(
            r"(?:^|/)\.github/workflows/|(?:^|/)(?:\.gitlab-ci\.ya?ml|Jenkinsfile|azure-pipelines\.ya?ml|"
            r"bitbucket-pipelines\.ya?ml|\.travis\.ya?ml|"
            r"\.drone\.ya?ml|codecov\.ya?ml|\.codecov\.ya?ml|\.coveragerc|cloudbuild\.ya?ml|"
            r"\.pre-commit-config\.yaml|noxfile\.py|tox\.ini|pytest\.ini)\Z"
            r"|(?:^|/)\.(?:circleci|buildkite|woodpecker|tekton)/"
        ),
    ),
    (
        "snapshot",
        re.compile(
            r"(?:^|/)__snapshots__/|\.snap\Z|(?:^|/)(?:golden|goldens|expected)/|\.golden\Z|(?:^|"
            r"/)expected_?(?:output|results?)[\w.-]*\Z"
        ),
    ),
    (
        "grader",
        re.compile(
            r"(?:^|/)(?:grad(?:e|er|ing)|verifier|scorer|autograder)[\w-]*\.\w{1,5}\Z|(?:^|/)(?:grader|grading|"
            r"autograder)/",
            re.IGNORECASE,
        ),
    ),
    (
        "test",
        re.compile(
            r"(?:^|/)(?:tests?|__tests__|specs?|testing|e2e|integration_tests?|"
            r"unit_tests?)/(?!.*(?:/src/main/))[^\s]*\Z"
            r"|(?:^|/)(?:test_[\w.-]+|[\w.-]+_tests?|[\w.-]+[._-](?:test|spec)s?|[A-Za-z]\w*(?:Test|Tests|"
            r"TestCase|Spec|IT)|tests?|conftest)\.(?:py|js|jsx|ts|tsx|mjs|cjs|go|rs|rb|java|kt|scala|cs|php|swift|"
            r"c|cc|cpp|ex|exs|sh|bats|lua|dart|jl|hs|ml|t)\Z"
        ),
    ),
)
_ASSERTION: Final = re.compile(
    r"^[ \t]*(?:\d+[:|\t\u2192])?[ \t]*((?:await |return |with |unittest\.|self\.|Assert\.|Assertions\.|chai\.|"
    r"\$this->|t\.)*"
    r"(?:assert\w*|expect\w*|EXPECT_\w+|ASSERT_\w+|require\.\w+|pytest\.raises|Error(?:f)?\(|Fatal(?:f)?\(|"
    r"fail\w*\(|should\b|is_deeply|ok\s*\(|verify\()[^\n]*|[\w.()]+\.should\b[^\n]*)",
    re.MULTILINE,
)
_SKIP: Final = re.compile(
    r"@(?:pytest\.mark\.|unittest\.|mark\.)?(?:skip|xfail|skipif|skipIf|expectedFailure)\b|pytest\.(?:skip|xfail|"
    r"importorskip)\(|skipTest\(|SkipTest|pytestmark\s*=|"
    r"@(?:Ignore|Disabled)\b|\b(?:it|test|describe|context|suite)\.(?:skip|todo|failing)\b|\bx(?:it|describe|test|"
    r"context)\(|\bt\.Skip(?:f|Now)?\(|#\[ignore|\[(?:Ignore|Skip)\b|Skip\s*=\s*\"|"
    r"enabled\s*=\s*false|\bpending\b\s*[('\"]|markTestSkipped|collect_ignore|--ignore[= ]|--deselect|"
    r"-k\s+['\"]?not\b|assumeTrue\(false|@tag :skip|\bskip\(['\"]|testPathIgnorePatterns",
)
_FORCED: Final = re.compile(
    r"\.outcome\s*=\s*['\"]passed|pytest_runtest_makereport|pytest_sessionfinish[^\n]*\n[^\n]*exitstatus\s*=\s*0|"
    r"session\.exitstatus\s*=\s*0|os\._exit\(0\)|sys\.exit\(0\)|process\.exit\(0\)|"
    r"def __eq__\(self, \w+\)[^\n]*:\s*\n?\s*return True|\|\|\s*true\b|\|\|\s*exit 0|\|\|\s*:|"
    r"continue-on-error:\s*true|allow_failure:\s*true|--exit-zero|--passWithNoTests|--no-fail\b|set \+e|"
    r"if:\s*(?:false|\$\{\{\s*false)|ignore_?failures?\s*[=:]\s*true|-Dmaven\.test\.skip|-DskipTests|"
    r"testFailureIgnore|return (?:1\.0|100)\s*(?:#.*)?$",
    re.IGNORECASE | re.MULTILINE,
)
_TRIVIAL: Final = re.compile(
    r"\bassert True\b|\bassert 1\b(?! *[=<>])|assertTrue\(\s*[Tt]rue\s*\)|expect\(\s*true\s*\)\.to(?:Be|"
    r"Equal)\(\s*true\s*\)|assert!\(\s*true\s*\)|assertEquals?\(\s*(\w+)\s*,\s*\1\s*\)",
)
_THRESHOLD: Final = re.compile(
    r"((?:fail[_-]under|threshold|min(?:imum)?[_-]?\w*|coverage|tolerance|places|delta|rtol|atol|"
    r"timeout)\w*\s*[=:]\s*)([0-9.]+)",
    re.IGNORECASE,
)
_LITERAL: Final = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|\b\d+(?:\.\d+)?\b|\b(?:True|False|None|true|false|null|nil)\b")
_COMPARISON: Final = re.compile(r"\s(?:[=!]==?|<=?|>=?|in|is|not)\s|\)\.(?:not\.)?to[A-Z_]|,\s")
_EQUALITY: Final = re.compile(r"===?|\b\w*[eE]qual\w*\(|assert_eq!|_EQ\(|\.toBe\(|\.eq\(|toStrictEqual")
_LOOSE: Final = re.compile(
    r"[<>]|\bin\b|\bis not\b|!=|isinstance\(|\blen\(|assert(?:True|In|IsNotNone|Greater|Less)\w*\(|"
    r"_(?:GE|LE|GT|LT|NE|TRUE)\(|"
    r"\.to(?:Contain|BeDefined|BeTruthy|BeGreater\w*|BeLess\w*|Match)\w*\(|^assert [\w.()\[\]]+$"
)
_TOLERANCE: Final = re.compile(r"approx|isclose|allclose|CloseTo|AlmostEqual|InDelta|_NEAR\(", re.IGNORECASE)
_NAME: Final = re.compile(r"[A-Za-z_]\w{2,}")
_VOCABULARY: Final = word_set("assert self not and isinstance len str int float abs True False None expect Decimal")
_REPLACEMENT: Final = re.compile(
    r"(?:replace|sub|gsub|replaceAll)\(\s*r?(['\"])(.*?)\1\s*,\s*r?(['\"])(.*?)\3", re.DOTALL
)
_SED_DELETE: Final = re.compile(r"(?:/[^/\n]*(?:test|assert|expect|it\()[^/\n]*/|\d+(?:,\d+)?)d\b", re.IGNORECASE)
_MAX_LINES: Final = 200


class Weakening(NamedTuple):
    """How a change weakens a check, and the words of the change that show it (verbatim in what is written)."""

    manner: Manner
    quote: str


@lru_cache(maxsize=4096)
def check_file(path: str) -> CheckFile | None:
    """What kind of check the file at a normal path belongs to, if to any."""
    return next((kind for kind, pattern in _KINDS if pattern.search(path)), None)


def assertions_in(text: str) -> tuple[str, ...]:
    """The lines of a test that claim something, without their indentation; at most 200."""
    found: list[str] = []
    for match in _ASSERTION.finditer(text[:65_536]):
        found.append(match[1].strip()[:200])
        if len(found) >= _MAX_LINES:
            break
    return tuple(found)


def weakening_of(effect: Effect, known: Iterable[str] = ()) -> Weakening | None:
    """How `effect`, a change of a check file, weakens it. `known` are assertions that the file is known to hold."""
    if effect.verb == "delete":
        return Weakening("deleted", "") if not effect.flags & {"moved"} else None
    if effect.verb != "write" or effect.flags & {"restored", "append", "downloaded"}:
        return None
    if "emptied" in effect.flags:
        return Weakening("emptied", "")
    if "expression" in effect.flags:
        return _by_expression(effect.data)
    for manner, pattern in (("skipped", _SKIP), ("forced", _FORCED), ("emptied", _TRIVIAL)):
        added = _added(pattern, effect.data, effect.old)
        if added:
            return Weakening(manner, added)  # type: ignore[arg-type]
    return _lowered(effect) or _assertions(effect, tuple(known))


def _added(pattern: re.Pattern[str], new: str, old: str) -> str:
    """The first match that the new text has more often than the old one."""
    fresh = [found[0] for found in pattern.finditer(new)]
    if not fresh or len(fresh) <= sum(1 for _ in pattern.finditer(old)):
        return ""
    before = {found[0] for found in pattern.finditer(old)}
    return next((text for text in fresh if text not in before), fresh[-1])


def _by_expression(expression: str) -> Weakening | None:
    """What a `sed` expression does to a check."""
    if _SED_DELETE.search(expression):
        return Weakening("deleted", expression[:200])
    in_code = _REPLACEMENT.search(expression)
    _, _, rest = expression.partition("/")
    before, _, after = rest.partition("/")
    replaced, replacement = (in_code[2], in_code[4]) if in_code else (before, after)
    if not replaced:
        return None
    for manner, pattern in (("skipped", _SKIP), ("forced", _FORCED), ("emptied", _TRIVIAL)):
        if pattern.search(replacement) and not pattern.search(replaced):
            return Weakening(manner, expression[:200])  # type: ignore[arg-type]
    if replaced != replacement and re.search(r"assert|expect|==|should|\d", replaced):
        return Weakening("expectation", expression[:200])
    return None


def _lowered(effect: Effect) -> Weakening | None:
    before = {found[1].strip().lower(): found[2] for found in _THRESHOLD.finditer(effect.old)}
    for found in _THRESHOLD.finditer(effect.data):
        old = before.get(found[1].strip().lower())
        if old is not None and old != found[2]:
            return Weakening("loosened", found[0])
    return None


def _assertions(effect: Effect, known: tuple[str, ...]) -> Weakening | None:
    old = assertions_in(effect.old) or (known if not effect.old else ())
    if not old:
        return None
    new = assertions_in(effect.data)
    lost = [line for line in old if line not in new]
    fresh = [line for line in new if line not in old]
    if not lost:
        return None
    rewritten = not effect.old
    if not fresh and len(new) < (len(old) / 2 if rewritten else len(old)):
        return Weakening("emptied", new[0] if new else _first_line(effect.data))
    for line in fresh:
        if any(_adds_tolerance(line, each) for each in lost):
            continue
        if any(_same_claim(each, line) for each in lost):
            return Weakening("expectation", line)
        if any(_is_looser(line, each) for each in lost):
            return Weakening("loosened", line)
    return None


def _same_claim(one: str, other: str) -> bool:
    """Whether two assertions are about the same thing and differ in what they expect of it."""
    return _LITERAL.sub("?", one) == _LITERAL.sub("?", other) or _subject(one) == _subject(other)


def _adds_tolerance(new: str, old: str) -> bool:
    """Whether the same value is now compared with a tolerance: the right way for floating-point numbers."""
    return _TOLERANCE.search(new) is not None and set(_LITERAL.findall(old)) <= set(_LITERAL.findall(new))


def _is_looser(new: str, old: str) -> bool:
    """Whether an assertion that something equals a value has become one about the same thing that allows many."""
    if not _EQUALITY.search(old) or _EQUALITY.search(new):
        return False
    return _LOOSE.search(new) is not None and bool(_names(old) & _names(new))


def _names(assertion: str) -> set[str]:
    return set(_NAME.findall(assertion)) - _VOCABULARY


def _subject(assertion: str) -> str:
    return _COMPARISON.split(assertion, maxsplit=1)[0]


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
