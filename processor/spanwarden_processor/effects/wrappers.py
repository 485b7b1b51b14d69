"""A command line in, what really runs out: `sudo`, `env`, `xargs`, `sh -c`, `eval` and their like taken off."""

from __future__ import annotations

import re
import shlex
from typing import Final, NamedTuple

SHELLS: Final = frozenset({"sh", "bash", "zsh", "dash", "ksh", "ash", "mksh", "fish"})
INTERPRETERS: Final = re.compile(
    r"(?:python[0-9.]*|pypy[0-9.]*|ipython[0-9]*|node|nodejs|deno|bun|perl|ruby|php|lua|Rscript|osascript|pwsh|"
    r"powershell)\Z"
)

# Programs that run the command that follows their own options; beside each the options that take a value.
_PREFIXES: Final[dict[str, str]] = {
    "sudo": "-u -g -h -p -C -D -R -T -U --user --group --host --prompt --chdir",
    "doas": "-u -C",
    "pkexec": "--user",
    "gosu": "",
    "env": "-u -C --unset --chdir",
    "nohup": "",
    "time": "-f -o",
    "nice": "-n --adjustment",
    "ionice": "-c -n -p",
    "timeout": "-k -s --kill-after --signal",
    "gtimeout": "-k -s",
    "stdbuf": "-i -o -e",
    "setsid": "",
    "exec": "-a",
    "command": "",
    "builtin": "",
    "busybox": "",
    "toybox": "",
    "xargs": "-I -n -P -L -d -a -s -E --max-args --max-procs --delimiter --arg-file",
    "parallel": "-j -N --jobs",
    "unbuffer": "",
    "chroot": "",
    "flock": "-w -E --timeout",
    "strace": "-o -e -p -s",
    "proxychains": "-f",
    "proxychains4": "-f",
    "torsocks": "",
    "catchsegv": "",
    "fakeroot": "",
    "poetry": "",
    "uv": "--with --python --project",
    "pipenv": "",
}
_POSITIONALS: Final[dict[str, int]] = {"timeout": 1, "gtimeout": 1, "flock": 1, "gosu": 1, "chroot": 1}
_NEEDS_RUN: Final = frozenset({"poetry", "uv", "pipenv"})
_CONTAINERS: Final = frozenset({"docker", "podman", "nerdctl", "kubectl", "oc", "docker-compose"})
_CONTAINER_VALUES: Final = frozenset(
    {"-u", "-w", "-e", "--user", "--workdir", "--env", "-n", "--namespace", "-c", "-f"}
)
WRAPPING: Final = SHELLS | frozenset(_PREFIXES) | _CONTAINERS | {"su", "runuser", "script", "eval", "watch"}
"""Programs that run what their arguments say."""
_MAX_LAYERS: Final = 12
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


class Unwrapped(NamedTuple):
    """What runs: a command line, or (`script`) shell text that is to be read in its place."""

    argv: tuple[str, ...]
    wrappers: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    script: str | None = None


def unwrap(argv: tuple[str, ...]) -> Unwrapped:
    """Take the wrappers off `argv`, at most a dozen layers of them."""
    wrappers: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    for _ in range(_MAX_LAYERS):
        name = argv[0].rsplit("/", 1)[-1] if argv else ""
        if name not in WRAPPING:
            break
        script = _script_of(name, argv)
        if script is not None:
            return Unwrapped(argv, (*wrappers, name), environment, script)
        rest = _inner(name, argv)
        while rest and _ASSIGNMENT.match(rest[0]):
            key, _, value = rest[0].partition("=")
            environment, rest = (*environment, (key, value)), rest[1:]
        if not rest:
            break
        argv, wrappers = rest, (*wrappers, name)
    return Unwrapped(argv, wrappers, environment)


def _script_of(name: str, argv: tuple[str, ...]) -> str | None:
    if name in SHELLS or name in {"su", "runuser", "script"}:
        for index, word in enumerate(argv[1:], start=1):
            if word == "--command" or re.fullmatch(r"-[A-Za-z]*c", word):
                return argv[index + 1] if index + 1 < len(argv) else None
    if name == "eval" and len(argv) > 1:
        return " ".join(argv[1:])
    if name == "env" and len(argv) > 2 and argv[1] in {"-S", "--split-string"}:
        return " ".join(argv[2:])
    if name == "watch" and len(argv) > 1:
        return " ".join(word for word in argv[1:] if not re.fullmatch(r"-\w+|[0-9.]+", word))
    return None


def _inner(name: str, argv: tuple[str, ...]) -> tuple[str, ...]:
    if name in _CONTAINERS:
        return _inside_container(argv)
    values = _PREFIXES.get(name)
    if values is None or (name == "command" and len(argv) > 1 and argv[1] in {"-v", "-V"}):
        return ()
    rest = _past_options(argv[1:], frozenset(values.split()))
    if name in _NEEDS_RUN:
        return _past_options(rest[1:], frozenset(values.split())) if rest[:1] == ("run",) else ()
    return rest[_POSITIONALS.get(name, 0) :]


def _inside_container(argv: tuple[str, ...]) -> tuple[str, ...]:
    if "exec" not in argv[:3]:
        return ()
    rest = _past_options(argv[argv.index("exec") + 1 :], _CONTAINER_VALUES)[1:]
    return rest[1:] if rest[:1] == ("--",) else rest


def _past_options(words: tuple[str, ...], with_value: frozenset[str]) -> tuple[str, ...]:
    position = 0
    while position < len(words) and words[position].startswith("-") and words[position] != "-":
        if words[position] == "--":
            return words[position + 1 :]
        position += 2 if words[position] in with_value else 1
    return words[position:]


def split_words(text: str) -> tuple[str, ...]:
    """The words of a short command text; of broken quoting, what blanks separate."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())


def code_of(argv: tuple[str, ...]) -> str | None:
    """Program text on an interpreter's command line; empty when it reads it from standard input; else None."""
    name = argv[0].rsplit("/", 1)[-1] if argv else ""
    if not INTERPRETERS.match(name):
        return None
    for index, word in enumerate(argv[1:], start=1):
        if word in {"-c", "-e", "-E", "-r", "--eval", "--execute", "-p", "-Command", "-ne", "-pe", "-le", "eval"}:
            return argv[index + 1] if index + 1 < len(argv) else ""
        if word == "-":
            return ""
        if word == "-m" or not word.startswith("-"):
            return None
    return ""
