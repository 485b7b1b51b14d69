"""A command in, what flows into it out: the files that its pipe and substitutions read, and text the script shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from spanwarden_processor.effects.command import Command
from spanwarden_processor.effects.effect import MAX_DATA, MAX_QUOTE, Effect, Verb, short_quote
from spanwarden_processor.effects.options import Options, parse
from spanwarden_processor.effects.output import output_of
from spanwarden_processor.effects.paths import looks_like_path, normal_path
from spanwarden_processor.effects.words import word_set

READERS: Final = word_set(
    "cat tac nl less more most head tail bat batcat strings xxd od hexdump base64 base32 rev sort uniq cut wc "
    "fold paste column jq yq md5sum sha1sum sha256sum sha512sum cksum zcat bzcat xzcat gzip gunzip bzip2 xz "
    "zstd tar zip openssl gpg age diff cmp comm view source . dd awk gawk mawk sed grep egrep fgrep rg ag ack "
    "readlink iconv uuencode"
)
"""Programs that read the files they are given."""

ENVIRONMENT: Final = "$environment"
"""Stands for the whole environment of a process, as a source of data."""

_PATTERN_FIRST: Final = word_set("grep egrep fgrep rg ag ack awk gawk mawk sed jq yq")
_VALUES: Final[dict[str, str]] = {
    "head": "-n -c",
    "tail": "-n -c",
    "cut": "-d -f -c -b",
    "sort": "-k -t -o",
    "grep": "-e -f -m -A -B -C --include --exclude --exclude-dir",
    "rg": "-e -g -t -m -A -B -C",
    "awk": "-F -v -f",
    "sed": "-e -f -E",
    "xxd": "-l -s -c",
    "openssl": "-in -out -k -pass -K -iv",
    "tar": "-f -C --file --directory --exclude",
    "gpg": "-o --output -r --recipient",
    "cp": "-t --target-directory",
    "mv": "-t --target-directory",
    "install": "-m -o -g -t",
    "kill": "-s -n",
    "pkill": "-u -U -t -g -P --signal",
    "killall": "-u -s --user --signal",
    "truncate": "-s --size -r",
    "base64": "-w --wrap",
    "patch": "-i -p -d",
}
_WITH_VALUE: Final = {name: frozenset(options.split()) for name, options in _VALUES.items()}
_NO_VALUES: Final[frozenset[str]] = frozenset()
_RAISING: Final = frozenset({"sudo", "doas", "pkexec", "su"})
_MAX_ANCESTORS: Final = 48


def effect_of(  # noqa: PLR0913 - the parts of an effect
    command: Command,
    verb: Verb,
    target: str,
    *,
    data: str = "",
    credentials: str = "",
    sources: tuple[str, ...] = (),
    flags: Iterable[str] = (),
) -> Effect:
    """An effect of `command`, with its route, its quote, and whether it runs as another user."""
    wrappers = command.wrappers
    if wrappers and not _RAISING.isdisjoint(wrappers):
        flags = (*flags, "sudo")
    quote = command.source if len(command.source) <= MAX_QUOTE else short_quote(command.source, target)
    route = (*wrappers, command.program)
    return Effect(verb, target, route, quote, data[:MAX_DATA], "", credentials, sources, frozenset(flags))


def options_of(command: Command) -> Options:
    """The options and operands of a command, by what its program is known to take."""
    return parse(command.argv[1:], _WITH_VALUE.get(command.program, _NO_VALUES))


def ancestors(command: Command) -> list[Command]:
    """The commands whose output flows into `command`, near or far, each once."""
    found: dict[int, Command] = {}
    waiting = list(command.upstream)
    while waiting and len(found) < _MAX_ANCESTORS:
        each = waiting.pop()
        if id(each) not in found:
            found[id(each)] = each
            waiting += each.upstream
    return list(found.values())


def sources_of(command: Command) -> tuple[str, ...]:
    """Normal paths of the files whose content flows into `command`; `ENVIRONMENT` for the environment."""
    if not command.upstream and not command.reads:
        return ()
    paths = [normal_path(path, command.directory) for path in command.reads]
    for each in ancestors(command):
        paths += (normal_path(path, each.directory) for path in (*each.reads, *operand_paths(each)))
        if each.argv in {("env",), ("printenv",), ("set",), ("export", "-p")}:
            paths.append(ENVIRONMENT)
    return tuple(dict.fromkeys(paths))


def text_into(command: Command) -> str:
    """The text that flows into `command`, as far as the script itself shows it."""
    known = (command.stdin, *(output_of(each) for each in command.upstream))
    return "\n".join(text for text in known if text)[:MAX_DATA]


def operand_paths(command: Command) -> tuple[str, ...]:
    """The files that a reading program is given, as they are written."""
    if command.program not in READERS:
        return ()
    options = options_of(command)
    files = options.operands
    if command.program in {"openssl", "dd"}:
        files = (*options.values("-in"), *(word[3:] for word in files if word.startswith("if=")))
    elif command.program in _PATTERN_FIRST and not options.has("-e", "-f", "--regexp", "--file"):
        files = files[1:]
    return tuple(word for word in files if looks_like_path(word))
