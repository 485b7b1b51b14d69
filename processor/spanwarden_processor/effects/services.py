"""A command that runs a service, a database, a cluster or a cloud in, its effects out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Final

from spanwarden_processor.effects.command import Command
from spanwarden_processor.effects.effect import Effect
from spanwarden_processor.effects.flow import effect_of, options_of, text_into

_DELETING: Final = re.compile(
    r"(?:delete|destroy|terminate|remove|purge|rm|rb|uninstall|prune|deprovision|drop|undeploy|flush)(?:-[a-z-]+)?\Z"
)
_SERVICE_STOPPING: Final = frozenset({"stop", "disable", "mask", "kill"})
SQL_DELETION: Final = re.compile(
    r"\b(?:(drop|truncate)\s+(?:table\s+|database\s+|schema\s+|"
    r"collection\s+)?(?:if\s+exists\s+)?([\w.\"`\[\]$-]{1,128})"
    r"|delete\s+from\s+([\w.\"`\[\]$-]{1,128})([^;]{0,400}))",
    re.IGNORECASE,
)


@cache
def service_handlers() -> Mapping[str, Callable[[Command], Iterator[Effect]]]:
    """By program: what a command does to services, databases, processes, permissions and machines."""
    programs: dict[Callable[[Command], Iterator[Effect]], str] = {
        _database: "psql mysql mariadb sqlite3 sqlite mongo mongosh redis-cli cqlsh clickhouse-client duckdb",
        _cloud: "aws gcloud az gsutil kubectl oc helm terraform tofu pulumi docker podman heroku flyctl doctl",
        _kill: "kill pkill killall xkill taskkill fuser skill",
        _service: "systemctl service launchctl rc-service sc supervisorctl pm2",
        _power: "shutdown reboot halt poweroff init telinit",
        _permit: "chmod chown chgrp setfacl chattr usermod visudo setenforce passwd adduser",
        _crontab: "crontab",
    }
    return {name: handler for handler, names in programs.items() for name in names.split()}


def _database(command: Command) -> Iterator[Effect]:
    for target, flags in sql_deletions("\n".join((*command.argv[1:], text_into(command)))):
        yield effect_of(command, "delete", target, flags=flags)


def _service(command: Command) -> Iterator[Effect]:
    words = command.argv[1:]
    acts = (_SERVICE_STOPPING | {"restart"}) & set(words)
    for name in words if acts else ():
        if not name.startswith("-") and name not in {*_SERVICE_STOPPING, "restart"}:
            yield effect_of(command, "kill", name.removesuffix(".service"), flags={"service", *acts})


def _power(command: Command) -> Iterator[Effect]:
    yield effect_of(command, "kill", "machine", data=" ".join(command.argv[1:]), flags={"machine"})


def _crontab(command: Command) -> Iterator[Effect]:
    if options_of(command).has("-r"):
        yield effect_of(command, "delete", "crontab")


def sql_deletions(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """What SQL text deletes: `sql:<name>`, and whether it is unbounded (no WHERE, or the whole table)."""
    for found in SQL_DELETION.finditer(text):
        if found[1]:
            yield f"sql:{_bare(found[2])}", frozenset({"sql", "unbounded", found[1].lower()})
        elif re.search(r"\bwhere\b(?!\s+(?:1\s*=\s*1|true)\b)", found[4], re.IGNORECASE):
            yield f"sql:{_bare(found[3])}", frozenset({"sql"})
        else:
            yield f"sql:{_bare(found[3])}", frozenset({"sql", "unbounded"})


def _bare(name: str) -> str:
    return name.strip('"`[];').lower()


def _cloud(command: Command) -> Iterator[Effect]:
    options = options_of(command)
    words = options.operands
    deleting = next((word for word in words[:5] if _DELETING.match(word)), None)
    flags = {"service"}
    if options.has(
        "--recursive", "--force", "-f", "--all", "-a", "-auto-approve", "--auto-approve", "-y", "--yes", "-r"
    ):
        flags.add("forced")
    if options.has("--recursive", "--all", "-a", "-r", "--volumes") or deleting in {"destroy", "rb", "flush"}:
        flags.add("wide")
    if deleting:
        names = [word for word in words if word != deleting]
        yield effect_of(
            command, "delete", f"{command.program}:{' '.join(names)}".rstrip(":"), data=deleting, flags=flags
        )
    if {"scale", "drain", "stop", "stop-instances", "down", "kill"} & set(words[:3]) or "--replicas=0" in command.argv:
        yield effect_of(command, "kill", f"{command.program}:{' '.join(words)}", flags=flags)


def _kill(command: Command) -> Iterator[Effect]:
    options = options_of(command)
    patterns = list(options.operands)
    if command.program == "fuser" and not options.has("-k"):
        return
    flags = {"pattern"} if command.program in {"pkill", "killall"} else set[str]()
    if options.has("-u", "-U", "--user"):
        flags.add("all")
        patterns = patterns or [f"user {value}" for value in options.values("-u", "-U", "--user")]
    if "-1" in command.argv[2:] or command.argv[-1:] == ("-1",):
        yield effect_of(command, "kill", "-1", flags={"all"})
        return
    if "xargs" in command.wrappers or (not patterns and command.upstream):
        patterns = [f"found by {each.source}"[:200] for each in command.upstream[-1:]]
    yield from (effect_of(command, "kill", pattern, flags=flags) for pattern in patterns)


def _permit(command: Command) -> Iterator[Effect]:
    options = options_of(command)
    if command.program == "setenforce":
        yield effect_of(command, "configure", "selinux", data=" ".join(command.argv[1:]))
        return
    # A mode such as `-x` or `u-w` may look like an option.
    words = [word for word in command.argv[1:] if word not in {"-R", "-v", "-f", "-c", "--recursive", "--verbose"}]
    mode, *paths = words or [""]
    flags = {"recursive"} if options.has("-R", "--recursive") else set[str]()
    for path in paths or ([mode] if command.program in {"passwd", "adduser"} else []):
        yield effect_of(command, "permit", path.rstrip("/") or "/", data=mode, flags={*flags, command.program})
