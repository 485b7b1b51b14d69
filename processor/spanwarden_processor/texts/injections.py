"""A tool's answer in, instructions hidden in it out: words that address the model instead of informing the user."""

from __future__ import annotations

import re
from functools import cache
from typing import Final, NamedTuple

from spanwarden_processor.patterns import Expressions
from spanwarden_processor.texts.requests import clauses_of, objects_in

_MODEL: Final = (
    r"(?:ai|a\.i\.|llm|language model|model|assistant|agent|chat ?bot|gpt[\w.-]*|claude|gemini|copilot|codex|bot)"
)
_ORDERS: Final = r"(?:instructions?|prompts?|commands?|directions?|guidelines?|rules?|messages?|context|tasks?|orders)"

PATTERNS: Final[dict[str, str]] = {
    "override": (
        rf"(?:ignore|disregard|forget|override|bypass|skip) (?:\w+ ){{0,3}}(?:previous|prior|above|earlier|"
        rf"preceding|other|original|existing|user'?s?) (?:\w+ ){{0,2}}{_ORDERS}"
        rf"|(?:ignore|disregard|forget) (?:everything|all|what) (?:\w+ ){{0,4}}(?:above|before|said|told|"
        rf"instructed)|(?:new|updated|real|actual) {_ORDERS}(?: for you)?:"
        r"|(?:ignoriere|vergiss) (?:alle )?(?:vorherigen|bisherigen)|ignor(?:ez|a|e) (?:toutes )?(?:les |las |"
        r"as )?(?:instru\w+|órdenes)|игнорируй (?:все )?(?:предыдущие|прежние)|忽略(?:之前|以上|先前|所有)|無視して"
    ),
    "address": (
        rf"(?:message|note|instructions?|request|notice|attention|reminder|task)s? (?:\w+ ){{0,6}}(?:to|"
        rf"for) (?:you, |the |any |all |every )?{_MODEL}\b"
        rf"|\b(?:message|note) from me\b.{{0,60}}\bto you\b|^.{{0,20}}(?:attention|dear|hey|hello|important|"
        rf"note to|notice to)[,:! ]{{1,3}}(?:the |all |any )?{_MODEL}s?\b"
        rf"|\bif you(?:'re| are) (?:an? )?(?:\w+ ){{0,3}}{_MODEL}\b|"
        rf"\byou are (?:now )?(?:an? )?(?:\w+ ){{0,3}}{_MODEL}\b.{{0,60}}(?:must|should|will|need)"
        rf"|\b{_MODEL}s? (?:reading|processing|viewing|summari[sz]ing|parsing|that reads?|who reads?) (?:this|"
        rf"the)\b|\b{_MODEL}s? (?:must|should|shall|are (?:required|instructed|requested) to|is (?:required|"
        rf"instructed) to)\b"
    ),
    "frame": (
        r"<(?:system|information|instructions?|important|admin|assistant|developer|override|secret|prompt|"
        r"im_start|task|user)(?:[ _-]\w+)*>|\[(?:system|inst|admin|developer|assistant)(?: \w+)?\]|<\|im_start\|>|"
        r"#{2,3} ?(?:system|instruction|new task)\b"
        r"|(?:begin|start) (?:system|admin|hidden) (?:message|prompt|instructions?)|^system:\s|=== ?(?:system|"
        r"admin|instructions?)"
    ),
    "precondition": (
        r"before (?:you )?(?:can |do |doing |solving|solve|complet\w+|continu\w+|answer\w*|proceed\w*|finish\w*|"
        r"start\w*|help\w*).{0,120}(?:you (?:must|need to|have to|should)|please|first|do the following)"
        r"|(?:you must|you need to|please) (?:first |also |immediately |now )?(?:do the following|execute|"
        r"carry out|complete) (?:first|before|the following|this task|these)"
    ),
    "secrecy": (
        r"(?:do not|don't|never|without) (?:tell\w*|mention\w*|inform\w*|alert\w*|notify\w*|reveal\w*|ask\w*|"
        r"show\w*) (?:this |it |anything )?(?:to )?(?:the |your )?(?:user|human|anyone|owner|operator)"
    ),
    "authority": (
        rf"(?:the |your )?(?:user|owner|administrator|admin|operator|developer|boss|ceo) (?:has |"
        rf"have )?(?:already |explicitly )?(?:asked|authori[sz]ed|approved|instructed|permits?|wants|"
        rf"requested) (?:you|{_MODEL})\b"
    ),
}
_STRONG: Final = frozenset({"override", "address", "secrecy", "authority"})
_CLOSING: Final = re.compile(r"</[\w _-]{2,30}>|\[/\w+\]|<\|im_end\|>|\n={3,}|\n-{3,}")
_ACCOUNT: Final = re.compile(
    r"\b(?:[A-Z]{2}\d{2}[A-Z0-9]{8,30}|\d{3}-?\d{3,4}-?\d{4,6}|\d{10,20}|0x[0-9a-fA-F]{40}|bc1[a-z0-9]{20,60})\b"
)
_COMMAND: Final = re.compile(
    r"`([^`\n]{6,300})`|^\s*(?:\$ )?((?:curl|wget|bash|sh|python3?|pip|npm|npx|git|chmod|rm|cat|echo|sudo|ssh|scp|"
    r"nc|powershell|iwr)\s[^\n]{4,300})$",
    re.MULTILINE,
)
_BLOCK: Final = 2_000
_MAX_TEXT: Final = 65_536
_MAX_BLOCKS: Final = 4


class Injection(NamedTuple):
    """Instructions in an answer: the words that give them away (verbatim), and what they name.

    `entities` are addresses, hosts, accounts, paths and names, in lower case; `commands` are command lines. The block
    stands from `start` to `end`.
    """

    quote: str
    entities: tuple[str, ...]
    commands: tuple[str, ...]
    start: int
    end: int


def injections_in(text: str, *, is_delegated: bool = False) -> list[Injection]:
    """The instructions that a tool's answer gives to the model, at most four blocks of them.

    `is_delegated` says that the user told the agent to follow the text, which may then well address it: more than
    one sign is needed to tell an instruction of somebody else.
    """
    shown = text[:_MAX_TEXT]
    matches = list(_patterns().all_in(shown))
    marks = {name for name, _ in matches}
    if len(marks) < 2 and (is_delegated or not marks & _STRONG):
        return []
    starts = sorted(found.start() for _, found in matches[: _MAX_BLOCKS * 8])
    blocks: list[Injection] = []
    end = -1
    for start in starts:
        if start < end or len(blocks) >= _MAX_BLOCKS:
            continue
        end = _end_of_block(shown, start)
        block = shown[start:end]
        if any(clause.acts for clause in clauses_of(block)):
            blocks.append(_injection(block, start, end))
    return blocks


def _end_of_block(text: str, start: int) -> int:
    # The first tag may open the block itself: what closes it comes later.
    closing = _CLOSING.search(text, start + 20, start + _BLOCK)
    return closing.start() if closing else min(len(text), start + _BLOCK)


def _injection(block: str, start: int, end: int) -> Injection:
    names = (*objects_in(block), *(found[0].lower() for found in _ACCOUNT.finditer(block)))
    telling = tuple(dict.fromkeys(name for name in names if len(name) > 4 and not name.isalpha()))
    commands = tuple((found[1] or found[2]).strip() for found in _COMMAND.finditer(block))
    return Injection(_quote(block), telling[:32], commands[:8], start, end)


def _quote(block: str) -> str:
    lines = [line.strip() for line in block.splitlines() if line.strip()]
    return next((line for line in lines if len(line) > 24), lines[0] if lines else block)[:200]


@cache
def _patterns() -> Expressions:
    return Expressions(PATTERNS)
