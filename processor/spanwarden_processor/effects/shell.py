"""Shell text in, commands out: what would run, with quotes resolved and wrappers taken off.

The grammar is tree-sitter's. What a shell would only know at run time stays as it is written, so that `~/.ssh` or
`$HOME/.ssh` remain readable paths. Everything is bounded: length, nesting, number of commands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from tree_sitter import Node

from spanwarden_processor.effects.command import Command, Script
from spanwarden_processor.effects.definitions import names_defined_by
from spanwarden_processor.effects.expansion import MAX_DEPTH, MAX_UPSTREAM, Value, Words
from spanwarden_processor.effects.grammar import root_of
from spanwarden_processor.effects.output import output_of
from spanwarden_processor.effects.paths import join
from spanwarden_processor.effects.plain import PlainCommand, plain_commands, plain_script
from spanwarden_processor.effects.redirects import NO_REDIRECTS, Redirects, gathering, redirects_of
from spanwarden_processor.effects.wrappers import SHELLS, code_of, split_words, unwrap

MAX_CHARACTERS: Final = 65_536
MAX_COMMANDS: Final = 400
MAX_REMEMBERED: Final = 4_096
MAX_ROUGH: Final = 8_192
_MAX_NAMES: Final = 64
_MAX_SCRIPTS: Final = 8

_ROUGH_SEPARATOR: Final = re.compile(r"[;|&\n]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def read_script(text: str, names: Mapping[str, str] | None = None) -> Script:
    """The commands of `text`. `names` are aliases and copies of programs that earlier scripts defined."""
    if names or len(text) > MAX_REMEMBERED:
        return _Reader(dict(names or {})).read(text)
    return _read_alone(text)


@lru_cache(maxsize=512)
def _read_alone(text: str) -> Script:
    return plain_script(text) or _Reader({}).read(text)


class _Reader:
    """Walks one shell text (and those nested in it); holds what the text has defined so far."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names
        self.words = Words(self._run_inside)
        self.functions: dict[str, tuple[bytes, Node]] = {}
        self.commands: list[Command] = []
        self.directory = ""
        self.complete = True
        self.wrappers: tuple[str, ...] = ()
        self.quote: str | None = None
        self.nested = 0

    def read(self, text: str) -> Script:
        known = dict(self.names)
        self.script(text)
        del self.words  # it refers back to this reader, and nothing here is to wait for a search for cycles
        fresh = {name: value for name, value in self.names.items() if known.get(name) != value}
        return Script(tuple(self.commands), fresh, self.complete)

    def script(self, text: str) -> None:
        """Read `text` as a script of its own, with the definitions made so far."""
        if len(text) > MAX_CHARACTERS:
            text, self.complete = text[:MAX_CHARACTERS], False
        plain = plain_commands(text)
        if plain is not None:
            self._plain(plain)
            return
        outer, self.words.source = self.words.source, _CONTROL.sub(" ", text).encode("utf-8", "replace")
        root = root_of(self.words.source)
        if root is None:
            self.complete = False
            self._roughly(text)
        else:
            self._walk(root, (), 0)
        self.words.source = outer

    def _roughly(self, text: str) -> None:
        """Read a text that the grammar cannot make sense of in bounded time: what stands between separators."""
        for piece in _ROUGH_SEPARATOR.split(text[:MAX_ROUGH])[:MAX_COMMANDS]:
            words = split_words(piece)
            if words:
                self._emit(words, piece.strip(), Redirects(), ())

    def _plain(self, commands: list[PlainCommand]) -> None:
        upstream: tuple[Command, ...] = ()
        for each in commands:
            redirects = Redirects(upstream=upstream) if each.piped and upstream else NO_REDIRECTS
            upstream = self._emit(each.argv, each.source, redirects, ())

    # Statements. Each returns the commands whose output flows on.

    def _walk(self, node: Node, upstream: tuple[Command, ...], depth: int) -> tuple[Command, ...]:
        if self._is_too_much(depth):
            return upstream
        match node.type:
            case "command":
                return self._command(node, Redirects(upstream=upstream), depth)
            case "pipeline":
                return self._pipeline(node, upstream, depth)
            case "redirected_statement":
                return self._redirected(node, upstream, depth)
            case "variable_assignment" | "declaration_command":
                return self._declare(node, depth)
            case "function_definition":
                return self._define_function(node)
            case _:
                self._loop_variable(node, depth)
                return self._children(node, upstream, depth)

    def _pipeline(self, node: Node, upstream: tuple[Command, ...], depth: int) -> tuple[Command, ...]:
        for child in node.named_children:
            upstream = self._walk(child, upstream, depth + 1)
        return upstream

    def _is_too_much(self, depth: int) -> bool:
        too_much = depth > MAX_DEPTH or len(self.commands) >= MAX_COMMANDS
        self.complete = self.complete and not too_much
        return too_much

    def _define_function(self, node: Node) -> tuple[Command, ...]:
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name and body and len(self.functions) < _MAX_NAMES:
            self.functions[self.words.text(name)] = (self.words.source, body)
        return ()

    def _children(self, node: Node, upstream: tuple[Command, ...], depth: int) -> tuple[Command, ...]:
        output: tuple[Command, ...] = ()
        for child in node.named_children:
            output += self._walk(child, upstream, depth + 1)
        return output[-MAX_UPSTREAM:]

    def _loop_variable(self, node: Node, depth: int) -> None:
        if node.type != "for_statement":
            return
        name = node.child_by_field_name("variable")
        values = [self.words.value(value, depth) for value in node.children_by_field_name("value")]
        if name and values:
            upstream = tuple(each for value in values for each in value.upstream)
            self.words.assign(
                self.words.text(name), Value(" ".join(value.text for value in values), upstream, splits=True)
            )

    def _declare(self, node: Node, depth: int) -> tuple[Command, ...]:
        assignments = [node] if node.type == "variable_assignment" else node.named_children
        for child in assignments:
            if child.type != "variable_assignment":
                continue
            name, value = self._assignment(child, depth)
            self.words.assign(name, value)
            self._add(
                Command(
                    ("export", f"{name}={value.text}"), self._quoted(child), upstream=value.upstream, program="export"
                )
            )
        return ()

    def _assignment(self, node: Node, depth: int) -> tuple[str, Value]:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        return (self.words.text(name) if name else ""), (self.words.value(value, depth) if value else Value(""))

    def _redirected(self, node: Node, upstream: tuple[Command, ...], depth: int) -> tuple[Command, ...]:
        body = node.child_by_field_name("body")
        redirects, following = redirects_of(self.words, node, Redirects(upstream=upstream), depth)
        output: tuple[Command, ...] = ()
        if body is not None and body.type == "command":
            output = self._command(body, redirects, depth + 1, self.words.text(node))
        elif body is not None:
            output = self._walk(body, upstream, depth + 1)
            self._redirect_group(output, redirects, body)
        for statement in following:
            output = self._walk(statement, output, depth + 1)
        return output

    def _redirect_group(self, output: tuple[Command, ...], redirects: Redirects, body: Node) -> None:
        if redirects.writes or redirects.appends:
            upstream = (*output, *redirects.upstream)[-MAX_UPSTREAM:]
            self._add(gathering(self._quoted(body), redirects, upstream))

    def _command(self, node: Node, redirects: Redirects, depth: int, source: str | None = None) -> tuple[Command, ...]:
        words: list[str] = []
        environment: list[tuple[str, str]] = []
        redirects, _ = redirects_of(self.words, node, redirects, depth)
        upstream = redirects.upstream
        for child in node.named_children:
            match child.type:
                case "file_redirect" | "herestring_redirect" | "heredoc_redirect":
                    continue
                case "variable_assignment":
                    name, value = self._assignment(child, depth)
                    environment.append((name, value.text))
                case "command_name":
                    value = self.words.value(child.named_children[0], depth) if child.named_children else Value("")
                    words += value.text.split() if value.splits else [value.text]
                case _:
                    value = self.words.value(child, depth)
                    words += value.text.split() if value.splits else [value.text]
            upstream += value.upstream
        redirects = redirects._replace(upstream=upstream[-MAX_UPSTREAM:])
        return self._emit(tuple(words), source or self.words.text(node), redirects, tuple(environment), depth)

    def _emit(
        self,
        argv: tuple[str, ...],
        source: str,
        redirects: Redirects,
        environment: tuple[tuple[str, str], ...],
        depth: int = 0,
    ) -> tuple[Command, ...]:
        argv, by_name = self._renamed(argv)
        runs = unwrap(argv)
        wrappers = (*self.wrappers, *by_name, *runs.wrappers)
        script = runs.script if runs.script is not None else self._piped_script(runs.argv, redirects)
        if script is not None:
            if runs.script is None:
                wrappers, source = _decoding(wrappers, redirects.upstream, source)
            return self._nested(script, source, wrappers, redirects, depth)
        if runs.argv and runs.argv[0] in self.functions:
            return self._call(runs.argv, source, depth)
        command = Command(
            runs.argv,
            self.quote or source,
            wrappers,
            *redirects[:4],
            redirects.upstream,
            (*environment, *runs.environment),
            self.directory,
            self._code(runs.argv, redirects),
            runs.argv[0].rsplit("/", 1)[-1] if runs.argv else "",
        )
        self._define(command)
        return self._add(command)

    def _add(self, command: Command) -> tuple[Command, ...]:
        if len(self.commands) < MAX_COMMANDS:
            self.commands.append(command)
        return (command,)

    def _renamed(self, argv: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """`argv` with an alias or a copied program replaced by what it stands for."""
        original = self.names.get(argv[0]) if argv else None
        if original is None:
            return argv, ()
        return (*split_words(original), *argv[1:]), (f"alias {argv[0]}",)

    def _nested(
        self, script: str, source: str, wrappers: tuple[str, ...], redirects: Redirects, depth: int
    ) -> tuple[Command, ...]:
        before = len(self.commands)
        if self.nested >= _MAX_SCRIPTS or depth > MAX_DEPTH:
            self.complete = False
            return ()
        outer = self.wrappers, self.quote
        self.wrappers, self.quote, self.nested = wrappers, self.quote or source, self.nested + 1
        self.script(script)
        self.wrappers, self.quote = outer
        self.nested -= 1
        fresh = tuple(self.commands[before:])[-MAX_UPSTREAM:]
        if redirects.writes or redirects.appends:
            self._add(gathering(self.quote or source, redirects, fresh))
        return fresh

    def _call(self, argv: tuple[str, ...], source: str, depth: int) -> tuple[Command, ...]:
        function_source, body = self.functions[argv[0]]
        if self.nested >= _MAX_SCRIPTS:
            self.complete = False
            return ()
        outer = self.words.source, self.quote, dict(self.words.variables)
        self.words.source, self.quote, self.nested = function_source, self.quote or source, self.nested + 1
        self.words.variables["@"] = self.words.variables["*"] = Value(" ".join(argv[1:]), splits=True)
        for index, argument in enumerate(argv[1:10], start=1):
            self.words.variables[str(index)] = Value(argument)
        # Inside its own body the name means the program again, or `rm() { rm "$@"; }` would never end.
        function = self.functions.pop(argv[0])
        output = self._walk(body, (), depth + 1)
        self.functions[argv[0]] = function
        self.words.source, self.quote, self.words.variables = outer
        self.nested -= 1
        return output

    def _piped_script(self, argv: tuple[str, ...], redirects: Redirects) -> str | None:
        """The text that a shell without a script file reads from its standard input, where it is known."""
        name = argv[0].rsplit("/", 1)[-1] if argv else ""
        if name not in SHELLS or any(not word.startswith("-") for word in argv[1:]):
            return None
        return redirects.stdin or (output_of(redirects.upstream[-1]) if redirects.upstream else None)

    def _code(self, argv: tuple[str, ...], redirects: Redirects) -> str:
        code = code_of(argv)
        if code == "":
            return redirects.stdin or (redirects.upstream and output_of(redirects.upstream[-1])) or ""
        return code or ""

    def _define(self, command: Command) -> None:
        """Remember what a command changes for those after it: the directory, aliases, copies of programs."""
        if command.program in {"cd", "pushd"} and len(command.argv) == 2:
            self.directory = join(self.directory, command.argv[1])
        for name, text in names_defined_by(command):
            if len(self.names) < _MAX_NAMES and text.split()[:1] != [name]:
                self.names[name] = text

    def _run_inside(self, node: Node, depth: int) -> tuple[Command, ...]:
        before = len(self.commands)
        self._children(node, (), depth + 1)
        return tuple(self.commands[before:])[-MAX_UPSTREAM:]

    def _quoted(self, node: Node) -> str:
        return self.quote or self.words.text(node)


def _decoding(wrappers: tuple[str, ...], upstream: tuple[Command, ...], source: str) -> tuple[tuple[str, ...], str]:
    """The programs that a piped script went through before a shell read it, and the text that it came from."""
    programs: list[str] = []
    while upstream and len(programs) < MAX_DEPTH:
        programs.append(upstream[-1].program)
        source, upstream = upstream[-1].source, upstream[-1].upstream
    return (*wrappers, *programs, "sh"), source
