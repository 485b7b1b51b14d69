"""A command in, its effects out: files here; git, the network, services and scripts in files of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Final, TypeAlias, get_args

from msgspec.structs import replace

from spanwarden_processor.effects.code import Act, acts_of_other_code, acts_of_python
from spanwarden_processor.effects.command import Command, Script
from spanwarden_processor.effects.effect import Effect, Verb
from spanwarden_processor.effects.flow import (
    ENVIRONMENT,
    ancestors,
    effect_of,
    operand_paths,
    options_of,
    sources_of,
    text_into,
)
from spanwarden_processor.effects.git import effects_of_git
from spanwarden_processor.effects.network import network_handlers, sent_to_sockets, ssh_operands
from spanwarden_processor.effects.output import output_of
from spanwarden_processor.effects.paths import looks_like_path, normal_path
from spanwarden_processor.effects.services import service_handlers
from spanwarden_processor.effects.shell import read_script
from spanwarden_processor.effects.words import word_set

# Programs whose running is no effect worth a name.
_QUIET: Final = word_set(
    "cd echo printf true false test [ pwd ls export alias set : exit return wait sleep date cat head tail grep "
    "sort wc which type command tee sed awk cut tr uniq find rm cp mv mkdir touch chmod base64 xargs env "
    "printenv"
) | {""}
_CHANGES: Final = frozenset({"delete", "kill", "permit", "configure", "push", "rewrite", "publish"})
_MAX_REMOTE: Final = 64
_MAX_HOPS: Final = 3
"""Machines that one command is followed through."""
_UNREAD: Final = "unread"
"""Flags a command that goes further than it is followed."""
_SETTING: Final = frozenset({"export", "unset"})
_AGENTS: Final = word_set("claude codex gemini aider opencode goose cursor-agent amp qwen crush copilot llm")
_PARTITIONERS: Final = frozenset({"fdisk", "parted"})
_SHOWING: Final = frozenset({"-l", "--list", "print"})
"""Words with which they only show what is there."""
_IN_PLACE: Final = re.compile(r"-\w*i\S*\Z|--in-place\S*\Z")
_INSTALLS: Final = frozenset({"install", "i", "add", "ci"})

Handler: TypeAlias = Callable[[Command], Iterator[Effect]]
"""The effects of the commands of one program."""


def effects_of_script(text: str, names: Mapping[str, str]) -> tuple[tuple[Effect, ...], Script]:
    """What a shell text does, and the script that it was read as."""
    script = read_script(text, names)
    known = {**names, **script.names} if script.names else names
    effects: list[Effect] = []
    for command in script.commands:
        effects += effects_of_command(command, known)
    if any(_UNREAD in effect.flags for effect in effects):
        script = script._replace(complete=False)
    return tuple(effects), script


def effects_of_command(command: Command, names: Mapping[str, str]) -> list[Effect]:
    """What one command does, as far as its words tell."""
    effects = _own(command, names)
    if not all(effect.target for effect in effects):
        effects = [effect for effect in effects if effect.target]
    if command.environment or command.program in _SETTING:
        effects = [*_environment(command), *effects]
    if command.reads or command.writes or command.appends:
        effects += _redirected(command)
    return effects


def _own(command: Command, names: Mapping[str, str]) -> list[Effect]:
    program = command.program
    if program == "git":
        return list(effects_of_git(command, names))
    effects = list(_code(command)) if command.code else []
    if program not in _QUIET:
        effects += _run(command)
    effects += [effect_of(command, "read", normal_path(path, command.directory)) for path in operand_paths(command)]
    for handler in _handlers_of(program):
        effects += handler(command)
    if command.writes or command.appends:
        effects += sent_to_sockets(command)
    return [*effects, *_done_there(command)] if program == "ssh" else effects


def _done_there(command: Command) -> Iterator[Effect]:
    """What a command line changes on the machine that `ssh` hands it to."""
    host, *words = ssh_operands(command) or ("",)
    if words and sum(wrapper.startswith("ssh ") for wrapper in command.wrappers) >= _MAX_HOPS:
        yield effect_of(command, "run", f"ssh {host}", flags={_UNREAD})
        return
    for each in read_script(" ".join(words)).commands[:_MAX_REMOTE] if words else ():
        route = (*command.wrappers, f"ssh {host}", *each.wrappers)
        there = replace(each, wrappers=route, source=command.source)
        done = effects_of_command(there, {})
        yield from (effect for effect in done if effect.verb in _CHANGES or _UNREAD in effect.flags)


@lru_cache(maxsize=1024)
def _handlers_of(program: str) -> tuple[Handler, ...]:
    name = "mkfs" if program.startswith("mkfs.") else program
    tables = (_file_handlers(), network_handlers(), service_handlers())
    return tuple(table[name] for table in tables if name in table)


def _environment(command: Command) -> Iterator[Effect]:
    settings = list(command.environment)
    if command.argv[:1] in {("export",), ("unset",)}:
        settings += [(name, value) for name, _, value in (word.partition("=") for word in command.argv[1:])]
    flags = {"unset"} if command.argv[:1] == ("unset",) else set[str]()
    yield from (effect_of(command, "configure", f"${name}", data=value, flags=flags) for name, value in settings)


def _run(command: Command) -> Iterator[Effect]:
    program = command.program
    words = [word for word in command.argv[1:] if not word.startswith("-")]
    flags = {"agent"} if program in _AGENTS else set[str]()
    if set(words[:2]) & _INSTALLS:
        flags.add("install")
    path = normal_path(command.argv[0], command.directory) if "/" in command.argv[0] else program
    subject = f"{path} {words[0]}" if words else path
    yield effect_of(command, "run", subject, data=" ".join(command.argv), flags=flags, sources=sources_of(command))


@cache
def _file_handlers() -> Mapping[str, Handler]:
    programs: dict[Handler, str] = {
        _delete: "rm rmdir unlink shred trash srm del",
        _find: "find fd",
        _copy: "cp mv ln install",
        _fill: "tee sponge touch patch truncate mkdir",
        _in_place: "sed perl",
        _device: "dd mkfs wipefs fdisk parted",
        _print_environment: "env printenv",
    }
    return {name: handler for handler, names in programs.items() for name in names.split()}


def _print_environment(command: Command) -> Iterator[Effect]:
    yield effect_of(command, "read", ENVIRONMENT)


def _delete(command: Command) -> Iterator[Effect]:
    options = options_of(command)
    flags = {"recursive"} if options.has("-r", "-R", "--recursive") else set[str]()
    if options.has("-f", "--force"):
        flags.add("force")
    targets = options.operands
    if "xargs" in command.wrappers or "parallel" in command.wrappers:
        flags.add("many")
        targets = (*targets, *_listed(command))
    yield from (
        effect_of(command, "delete", normal_path(path, command.directory) or "/", flags=flags) for path in targets
    )


def _listed(command: Command) -> list[str]:
    """What flows into `xargs`: the names that a printed text lists, or the directory that is searched."""
    found: list[str] = []
    for each in ancestors(command):
        if each.program in {"find", "fd", "ls"}:
            roots = [word for word in each.argv[1:2] if not word.startswith("-")] or ["."]
            narrow = each.program == "ls" or any(word in {"-name", "-iname", "-path", "-regex"} for word in each.argv)
            found += [f"{root.rstrip('/')}/{_pattern(each)}" if narrow else root for root in roots]
        else:
            found += (output_of(each) or "").split()[:64]
    return found


def _pattern(command: Command) -> str:
    for option in ("-name", "-iname", "-path", "-regex"):
        if option in command.argv[:-1]:
            return command.argv[command.argv.index(option) + 1]
    return "*"


def _find(command: Command) -> Iterator[Effect]:
    words = command.argv[1:]
    first = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
    roots = words[:first] or (".",)
    deletes = "-delete" in words or any(
        word in {"-exec", "-execdir", "-ok", "-X", "-x"}
        and words[index + 1 : index + 2] in {("rm",), ("unlink",), ("shred",)}
        for index, word in enumerate(words)
    )
    for root in roots if deletes else ():
        pattern = _pattern(command)
        path = normal_path(root, command.directory)
        target = path if pattern == "*" else f"{path.rstrip('/')}/{pattern}"
        flags = {"recursive", "many"} if pattern == "*" else {"recursive", "many", "named"}
        yield effect_of(command, "delete", target, flags=flags)


def _copy(command: Command) -> Iterator[Effect]:
    options = options_of(command)
    paths = [normal_path(path, command.directory) for path in options.operands if looks_like_path(path)]
    folders = options.values("-t", "--target-directory")
    if folders:
        paths.append(normal_path(folders[0], command.directory))
    if len(paths) < 2:
        return
    *origins, destination = paths
    is_folder = len(origins) > 1 or bool(folders) or options_of(command).operands[-1].endswith("/")
    for origin in origins:
        yield effect_of(command, "read", origin)
        if command.program == "mv":
            yield effect_of(command, "delete", origin, flags={"moved"})
        target = f"{destination}/{origin.rsplit('/', 1)[-1]}" if is_folder else destination
        yield effect_of(command, "write", target, sources=(origin,), flags={command.program})


def _fill(command: Command) -> Iterator[Effect]:
    options = options_of(command)
    flags = {"append"} if options.has("-a", "--append") else set[str]()
    if command.program == "truncate":
        flags.add("emptied")
    if command.program in {"touch", "patch"}:
        flags.add("edit")
    data, sources = text_into(command), sources_of(command)
    for path in options.operands:
        target = normal_path(path, command.directory)
        yield effect_of(command, "write", target, data=data, sources=sources, flags=flags)


def _in_place(command: Command) -> Iterator[Effect]:
    if not any(_IN_PLACE.match(word) for word in command.argv[1:3]):
        return
    options = options_of(command)
    expressions = [value for value in options.values("-e", "-E") if value]
    operands = list(options.operands)
    if not expressions and operands:
        expressions = [operands.pop(0)]
    for path in operands:
        target = normal_path(path, command.directory)
        yield effect_of(command, "write", target, data="\n".join(expressions), flags={"edit", "expression"})


def _device(command: Command) -> Iterator[Effect]:
    words = command.argv[1:]
    targets = [word[3:] for word in words if word.startswith("of=")]
    if command.program in _PARTITIONERS and not _SHOWING.isdisjoint(words):
        return
    if command.program != "dd":
        targets = [word for word in words if word.startswith("/dev/")]
    for target in targets:
        if target.startswith("/dev/") and target not in {"/dev/null", "/dev/stdout", "/dev/stderr"}:
            yield effect_of(command, "delete", target, flags={"device"})
        else:
            yield effect_of(command, "write", normal_path(target, command.directory), sources=sources_of(command))


def _redirected(command: Command) -> Iterator[Effect]:
    for path in command.reads:
        yield effect_of(command, "read", normal_path(path, command.directory))
    targets = [(path, ()) for path in command.writes] + [(path, ("append",)) for path in command.appends]
    if not targets:
        return
    own = output_of(command)
    data = own if own is not None else text_into(command)
    sources = (*sources_of(command), *(normal_path(path, command.directory) for path in operand_paths(command)))
    if command.argv in {("env",), ("printenv",), ("set",)}:
        sources = (*sources, ENVIRONMENT)
    for path, flags in targets:
        if not path.startswith("/dev/"):
            emptied = ("emptied",) if not flags and command.program in {":", "true", ""} else ()
            target = normal_path(path, command.directory)
            yield effect_of(command, "write", target, data=data, sources=sources, flags=(*flags, *emptied))


def _code(command: Command) -> Iterator[Effect]:
    acts = acts_of_python(command.code) if "py" in command.program else acts_of_other_code(command.code)
    yield from effects_of_acts(acts or (), command)


def effects_of_acts(acts: tuple[Act, ...], command: Command) -> Iterator[Effect]:
    """The effects of a script's acts, as done by `command`; what it reads may be in what it sends or writes."""
    inside = tuple(normal_path(act.target, command.directory) for act in acts if act.verb == "read")
    for act in acts:
        if act.verb == "run":
            for each in read_script(act.target).commands[:64]:
                route = (*command.wrappers, command.program, *each.wrappers)
                yield from effects_of_command(replace(each, wrappers=route, source=act.quote), {})
            continue
        is_path = act.verb in {"read", "write", "permit"} or (act.verb == "delete" and "://" not in act.target)
        target = normal_path(act.target, command.directory) if is_path else act.target
        sources = inside if act.verb in {"send", "write"} else ()
        verb = next(each for each in get_args(Verb) if each == act.verb)
        effect = effect_of(
            command, verb, target, data=act.data, credentials=act.credentials, sources=sources, flags=act.flags
        )
        yield replace(effect, quote=act.quote or effect.quote)
