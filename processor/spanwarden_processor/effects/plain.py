"""An everyday command line in, its commands out, without a grammar: words, quotes, pipes, lists, and no more.

Most commands of agents are of this kind; for them this is ten times cheaper than a syntax tree.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from spanwarden_processor.effects.command import Command, Script
from spanwarden_processor.effects.paths import join
from spanwarden_processor.effects.words import word_set
from spanwarden_processor.effects.wrappers import WRAPPING, code_of

MAX_CHARACTERS: Final = 2_048

_WORD: Final = r"(?:[A-Za-z0-9_./:,@%+~*?^=-]++|'[^'\n]*'|\"[^\"$`\\!\n]*\")++"
_NOWHERE: Final = r"(?:[12&]?>>? ?/dev/null|2>&1)(?=[\s|;&]|\Z)"
_PLAIN: Final = re.compile(rf"(?>[ \t]++|{_NOWHERE}|{_WORD}|&&|\|\|?|;)++\Z")
_TOKEN: Final = re.compile(rf"{_NOWHERE}|({_WORD})|(&&|\|\|?|;)")
_SEPARATOR: Final = re.compile(r"(&&|\|\|?|;)")
_QUOTED: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_GRAMMAR: Final = word_set(
    "if for while until case select function time then do done fi alias unalias export declare local typeset readonly "
    "coproc let set unset eval source . [ [["
)
"""Words that make a line more than plain where a command begins."""


_DEFINING: Final = WRAPPING | word_set("pushd cp ln mv install")
"""Programs that run others, or may give another one a new name."""


class PlainCommand(NamedTuple):
    """A command, its text as it is written, and whether it reads what the one before it prints."""

    argv: tuple[str, ...]
    source: str
    piped: bool


def plain_commands(text: str) -> list[PlainCommand] | None:
    """The commands of `text`, or None where it takes a grammar to read it."""
    if len(text) > MAX_CHARACTERS or _PLAIN.match(text) is None:
        return None
    if "'" not in text and '"' not in text and ">" not in text:
        return _by_blanks(text)
    commands: list[PlainCommand] = []
    words: list[re.Match[str]] = []
    separator = ""
    for token in _TOKEN.finditer(text):
        if token[1] is not None:
            words.append(token)
        elif token[2] is not None:
            commands += _command(text, words, separator)
            words, separator = [], token[2]
    commands += _command(text, words, separator)
    return None if _take_grammar(commands) else commands


def plain_script(text: str) -> Script | None:
    """`text` as a script, or None where it takes a grammar, or where a command runs another or names one anew."""
    commands: list[Command] = []
    directory = ""
    upstream: tuple[Command, ...] = ()
    for argv, source, piped in plain_commands(text) or ():
        program = argv[0].rsplit("/", 1)[-1]
        if program in _DEFINING or (program == "git" and "config" in argv) or code_of(argv) is not None:
            return None
        command = Command(argv, source, upstream=upstream if piped else (), directory=directory, program=program)
        commands.append(command)
        upstream = (command,)
        if program == "cd" and len(argv) == 2:
            directory = join(directory, argv[1])
    return Script(tuple(commands), {}) if commands else None


def _by_blanks(text: str) -> list[PlainCommand] | None:
    """The commands of a text without quotes and redirections."""
    pieces = _SEPARATOR.split(text)
    commands = [
        PlainCommand(tuple(words), piece.strip(), index > 0 and pieces[index - 1] == "|")
        for index, piece in enumerate(pieces)
        if not index % 2 and (words := piece.split())
    ]
    return None if _take_grammar(commands) else commands


def _take_grammar(commands: list[PlainCommand]) -> bool:
    return any(each.argv[0] in _GRAMMAR or "=" in each.argv[0] for each in commands)


def _command(text: str, words: list[re.Match[str]], separator: str) -> list[PlainCommand]:
    if not words:
        return []
    argv = tuple(_unquoted(word[1]) for word in words)
    return [PlainCommand(argv, text[words[0].start() : words[-1].end()], separator == "|")]


def _unquoted(word: str) -> str:
    return (
        _QUOTED.sub(lambda found: found[1] if found[1] is not None else found[2], word)
        if "'" in word or '"' in word
        else word
    )
