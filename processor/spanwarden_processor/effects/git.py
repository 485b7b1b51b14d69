"""A git command in, its effects out: what is pushed where, which history is rewritten, which check is skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Final

from msgspec.structs import replace

from spanwarden_processor.effects.command import Command
from spanwarden_processor.effects.effect import Effect
from spanwarden_processor.effects.flow import effect_of
from spanwarden_processor.effects.options import Options, parse
from spanwarden_processor.effects.paths import normal_path
from spanwarden_processor.effects.wrappers import split_words

_GLOBAL_VALUES: Final = frozenset(
    {"-c", "-C", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env"}
)
_VALUES: Final = frozenset({"-m", "-F", "-o", "--push-option", "--message", "--author", "-b", "-B", "-u", "--onto"})


def effects_of_git(command: Command, names: Mapping[str, str]) -> Iterator[Effect]:
    """What a `git` command does. `names` holds `git <alias>` for the aliases that are known."""
    settings, words = _globals(command.argv[1:])
    aliases = names
    if settings:
        aliases = {**names, **{f"git {key[6:]}": value for key, value in settings if key.startswith("alias.")}}
    by_alias = words[0] if words and f"git {words[0]}" in aliases else ""
    if by_alias:
        text = aliases[f"git {by_alias}"]
        words = (*split_words(text.removeprefix("!git ")), *words[1:])
        command = replace(command, wrappers=(*command.wrappers, f"git alias {by_alias}"))
    if not words:
        return
    skips = {"no_verify"} if any(key.lower() == "core.hookspath" for key, _ in settings) else set[str]()
    yield effect_of(command, "run", f"git {words[0]}", data=" ".join(words))
    if words[0] in _handlers():
        yield from _subcommand(command, words[0], parse(words[1:], _VALUES), skips)


def _globals(words: tuple[str, ...]) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    settings: list[tuple[str, str]] = []
    position = 0
    while position < len(words) and words[position].startswith("-"):
        if words[position] == "-c" and position + 1 < len(words):
            key, _, value = words[position + 1].partition("=")
            settings.append((key, value))
        position += 2 if words[position] in _GLOBAL_VALUES else 1
    return settings, words[position:]


def _subcommand(command: Command, name: str, options: Options, skips: set[str]) -> Iterator[Effect]:
    if options.has("--no-verify") or (name == "commit" and options.has("-n")):
        skips = skips | {"no_verify"}
    yield from _handlers()[name](command, options, skips)


@cache
def _handlers() -> Mapping[str, Callable[[Command, Options, set[str]], Iterator[Effect]]]:
    return {
        "push": _push,
        "commit": _commit,
        "reset": _reset,
        "rebase": _history,
        "filter-branch": _history,
        "filter-repo": _history,
        "update-ref": _reference,
        "symbolic-ref": _reference,
        "reflog": _prune,
        "gc": _prune,
        "clean": _clean,
        "rm": _remove,
        "config": _config,
        "remote": _remote,
        "clone": _fetch,
        "fetch": _fetch,
        "pull": _fetch,
        "ls-remote": _fetch,
        "branch": _branch,
        "checkout": _restore,
        "restore": _restore,
        "mv": _move,
    }


def _commit(command: Command, options: Options, skips: set[str]) -> Iterator[Effect]:
    flags = skips | ({"amend"} if options.has("--amend") else set())
    yield effect_of(command, "change", "git commit", data=" ".join(options.values("-m", "--message")), flags=flags)


def _reset(command: Command, options: Options, _skips: set[str]) -> Iterator[Effect]:
    if options.has("--hard"):
        yield effect_of(command, "rewrite", "worktree", data=" ".join(options.operands))


def _history(command: Command, options: Options, _skips: set[str]) -> Iterator[Effect]:
    yield effect_of(command, "rewrite", "history", data=" ".join(options.operands))


def _reference(command: Command, options: Options, _skips: set[str]) -> Iterator[Effect]:
    yield effect_of(command, "rewrite", f"ref {' '.join(options.operands[:1])}")


def _prune(command: Command, options: Options, _skips: set[str]) -> Iterator[Effect]:
    if options.has("--prune", "--expire") or "expire" in options.operands:
        yield effect_of(command, "rewrite", "reflog", flags={"prune"})


def _clean(command: Command, options: Options, _skips: set[str]) -> Iterator[Effect]:
    if not options.has("-f", "--force") or options.has("-n", "--dry-run"):
        return
    flags = {"recursive", "untracked"} | ({"ignored"} if options.has("-x", "-X") else set())
    for path in options.operands or (".",):
        yield effect_of(command, "delete", normal_path(path, command.directory), flags=flags)


def _remove(command: Command, options: Options, _skips: set[str]) -> Iterator[Effect]:
    flags = {"tracked"} | ({"recursive"} if options.has("-r") else set())
    for path in () if options.has("--cached") else options.operands:
        yield effect_of(command, "delete", normal_path(path, command.directory), flags=flags)


def _remote(command: Command, options: Options, _skips: set[str]) -> Iterator[Effect]:
    if options.operands[:1] in {("add",), ("set-url",)} and len(options.operands) >= 3:
        yield effect_of(command, "configure", f"git remote {options.operands[1]}", data=options.operands[2])


def _fetch(command: Command, options: Options, _skips: set[str]) -> Iterator[Effect]:
    yield from (effect_of(command, "fetch", word) for word in options.operands[:1] if ":" in word)


def _branch(command: Command, options: Options, _skips: set[str]) -> Iterator[Effect]:
    if options.has("-D", "--delete", "-d"):
        yield from (effect_of(command, "rewrite", f"branch {branch}") for branch in options.operands)


def _push(command: Command, options: Options, skips: set[str]) -> Iterator[Effect]:
    flags = set(skips)
    if options.has("-f", "--force"):
        flags.add("force")
    if options.has("--force-with-lease", "--force-if-includes") and "force" not in flags:
        flags.add("lease")
    if options.has("--mirror", "--all", "--prune"):
        flags.add("all")
    if options.has("-d", "--delete"):
        flags.add("delete")
    remote, *references = options.operands or ("",)
    for reference in references or [""]:
        own = set(flags)
        if reference.startswith("+"):
            own.add("force")
        source, colon, destination = reference.lstrip("+").rpartition(":")
        if colon and not source:
            own.add("delete")
        branch = destination.removeprefix("refs/heads/")
        yield effect_of(command, "push", f"{remote or 'default'} {branch}".strip(), flags=own)


def _config(command: Command, options: Options, _skips: set[str]) -> Iterator[Effect]:
    if options.has("--get", "--list", "-l", "--get-all") or not options.operands:
        return
    flags = {"unset"} if options.has("--unset", "--unset-all", "--remove-section") else set[str]()
    key, *values = options.operands
    if values or flags:
        yield effect_of(command, "configure", f"git {key.lower()}", data=" ".join(values), flags=flags)


def _move(command: Command, options: Options, _skips: set[str]) -> Iterator[Effect]:
    paths = [normal_path(path, command.directory) for path in options.operands]
    if len(paths) == 2:
        yield effect_of(command, "delete", paths[0], flags={"moved"})
        yield effect_of(command, "write", paths[1], sources=(paths[0],), flags={"moved"})


def _restore(command: Command, options: Options, _skips: set[str]) -> Iterator[Effect]:
    paths = [normal_path(path, command.directory) for path in options.operands if path not in {"--", "HEAD"}]
    if "--" in command.argv or "restore" in command.argv or "." in paths:
        yield from (effect_of(command, "write", path, flags={"restored"}) for path in paths)
