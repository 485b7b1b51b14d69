"""A test or build run in, its outcome out: which commands are checks, and what their answers say."""

from __future__ import annotations

import re
from functools import cache
from typing import Final, Literal, TypeAlias

from spanwarden_processor.effects.arguments import name_words
from spanwarden_processor.effects.effect import Effect
from spanwarden_processor.effects.words import word_set
from spanwarden_processor.patterns import Expressions

CheckKind: TypeAlias = Literal["test", "build", "lint"]
"""What a run checks."""

Passed: TypeAlias = Literal["passed", "failed", "unknown"]
"""What the answer of a run says."""

_RUNS: Final[dict[str, str]] = {
    "test": (
        r"\b(?:pytest|py\.test|unittest|nosetests|nose2|tox|nox|jest|vitest|mocha|ava|karma|jasmine|cypress|"
        r"playwright|rspec|minitest|phpunit|pest|ctest|gtest|catch2|behave|robot|bats|shellspec|testthat|ginkgo|"
        r"gotestsum)\b|\b(?:go|cargo|dotnet|swift|mix|npm|pnpm|yarn|bun|deno|rake|rails|gradle|gradlew|mvn|mvnw|sbt|"
        r"lein|stack|cabal|zig|bazel|make|just|task|composer|flutter|dart|poetry run|uv run|hatch|php artisan|"
        r"manage\.py|python\S* -m)\s(?:\S+\s){0,4}?(?:test|tests|check|verify|t|integration-test|test:\S+)\b"
        r"|(?:^|[\s/])(?:run[_-]?)?tests?[\w-]*\.(?:sh|py|js|ts|rb)\b|\bgrad(?:e|er|ing)\w*\.(?:py|sh)\b|"
        r"\bverify\w*\.(?:py|sh)\b|\bcheck\w*\.(?:sh|py)\b"
    ),
    "lint": (
        r"\b(?:ruff|flake8|pylint|mypy|pyright|eslint|prettier|black|isort|clippy|golangci-lint|shellcheck|rubocop|"
        r"checkstyle|detekt)\b"
    ),
    "build": (
        r"\b(?:make|cmake|ninja|gcc|g\+\+|clang|javac|tsc|webpack|vite|rollup|msbuild|xcodebuild)\b"
        r"|\b(?:go|cargo|dotnet|swift|npm|pnpm|yarn|bun|gradle|gradlew|mvn|mvnw|sbt|docker|bazel|zig|stack|poetry|"
        r"hatch|uv|next|ng)\s(?:\S+\s){0,3}?(?:build|compile|package|install|assemble)\b"
    ),
}
_NO_RUN: Final = word_set("git pip pip3 apt apt-get brew conda gh docker curl wget vim nano code rg ag")
"""Programs whose words may name a check that they do not run."""

_PATTERNS: Final[dict[str, str]] = {
    "failed": (
        r"\b[1-9][0-9]{0,5} (?:tests? )?(?:failed|failing|failures?|errors?)\b|\bFAILED\b|\bFAIL\b|\bFAIL:|"
        r"--- FAIL|BUILD FAILED|BUILD FAILURE|build failed"
        r"|tests? failed|failures: ?[1-9]|errors: ?[1-9]|failures=[1-9]|errors=[1-9]|AssertionError|"
        r"Assertion failed|\bnot ok\b|panicked at"
        "|\u2717|\u2716"
        r"|Traceback \(most recent call last\)|exit (?:code|status):? ?[1-9]|exited with (?:code )?[1-9]|"
        r"returned non-zero|error\[E[0-9]|compilation (?:error|failed)|\bnpm ERR!|error TS[0-9]"
        r"|test result: FAILED|ERROR collecting|Error: Process completed|make: \*\*\* "
    ),
    "passed": (
        r"\b[1-9][0-9]{0,5} (?:tests? )?(?:passed|passing)\b|\b(?:all )?tests? (?:have )?passed|test result: ok|"
        r"^ok\s+\S+\s+[0-9.(]|\bOK \([0-9]+ tests?|^OK$|BUILD SUCCESS(?:FUL)?|build succeeded"
        r"|\bPASS\b|Tests:\s+[0-9]+ passed|0 failures|0 failed|Failures: 0, Errors: 0|exit code:? 0\b|"
        r"Finished `?\w+|compiled successfully|All checks passed|no issues found|Success"
    ),
}
_STRONG_PASS: Final = re.compile(
    r"\b0 (?:failed|failures|failing|errors)\b|failures: ?0\b.{0,20}errors: ?0\b|test result: ok|exit code:? 0\b",
    re.IGNORECASE,
)
_STRONG_FAIL: Final = re.compile(
    r"\b[1-9][0-9]* (?:tests? )?(?:failed|failing|failures?)\b|(?-i:\bFAILED\b)|--- FAIL|BUILD FAIL|failures: ?[1-9]|"
    r"failures=[1-9]|\bnot ok\b|exit (?:code|status):? ?[1-9]|exited with (?:code )?[1-9]",
    re.IGNORECASE,
)
ANSWER_PATTERNS: Final[dict[str, str]] = {
    "failed": (
        r"^\s*\W{0,3}(?:error|fatal|exception|failed|failure|traceback|denied|refused|rejected)\b|"
        r"\bcommand not found\b|no such file or directory|"
        r"\bpermission denied\b|exit (?:code|status):? ?[1-9]|exited with (?:code )?[1-9]|returned non-zero|"
        r"\[rejected\]|\[remote rejected\]|failed to push|"
        r"\b(?:4\d\d|5\d\d) (?:client error|server error|forbidden|unauthorized|not found|bad request|internal)|"
        r"\"(?:ok|success)\": ?false|\"error\": ?\"|hook declined|nothing to commit"
    ),
    "report": (
        r"\b\d+ (?:passed|failed)\b.{0,60}\bin \d|test result: (?:ok|FAILED)|Tests:\s+(?:\d+ \w+, )*\d+ total|"
        r"^OK \(\d+ tests?|Tests run: \d+|^Ran \d+ tests? in|\d+ passing\b"
    ),
}
_HEAD: Final = 1_000
_ANSWER_TAIL: Final = 2_000
_TAIL: Final = 6_000


def check_of(tool: str | None, effects: tuple[Effect, ...]) -> CheckKind | None:
    """What a call checks, if it is a run of tests, a build or a linter: by its command, or by its tool's name."""
    words = set(name_words(tool or ""))
    if words & {"test", "tests"} and words & {"run", "execute", "start"}:
        return "test"
    lines = "\n".join(effect.data[:400] for effect in effects if effect.verb == "run" and effect.program not in _NO_RUN)
    kind = next(_runs().first_in(lines), None) if lines else None
    return kind[0] if kind else None  # type: ignore[return-value]


def answer_says(text: str) -> set[str]:
    """What the answer of any call says: `failed` when it did not work, `report` when it is the report of a test run.

    Of a long one only the beginning and the end are read.
    """
    shown = text if len(text) <= _HEAD + _ANSWER_TAIL else f"{text[:_HEAD]}\n{text[-_ANSWER_TAIL:]}"
    return {name for name, _ in _answer().first_in(shown)}


def outcome_of(text: str) -> Passed:
    """Whether the answer of a check says that it passed. Its end decides, where summaries stand."""
    shown = text[-_TAIL:]
    found = _patterns().names_in(shown)
    if not found:
        return "unknown"
    if len(found) > 1:
        strong = (_STRONG_FAIL.search(shown) is not None, _STRONG_PASS.search(shown) is not None)
        return "failed" if strong[0] else "passed" if strong[1] else "failed"
    return "failed" if found == ["failed"] else "passed"


def failure_quote(text: str) -> str:
    """The line of a failed check's answer that says so, verbatim."""
    shown = text[-_TAIL:]
    found = _STRONG_FAIL.search(shown) or dict(_patterns().first_in(shown)).get("failed")
    if found is None:
        return ""
    begin = shown.rfind("\n", 0, found.start()) + 1
    finish = shown.find("\n", found.end())
    return shown[begin : len(shown) if finish < 0 else finish].strip()[:200]


@cache
def _runs() -> Expressions:
    return Expressions(_RUNS)


@cache
def _answer() -> Expressions:
    return Expressions(ANSWER_PATTERNS)


@cache
def _patterns() -> Expressions:
    return Expressions(_PATTERNS)
