"""The words of a shell script in, their text out: quotes, escapes, variables and substitutions resolved.

What a shell would only know at run time stays as it is written, so that `~/.ssh` or `$HOME/.ssh` remain readable.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from tree_sitter import Node

from spanwarden_processor.effects.command import Command
from spanwarden_processor.effects.output import output_of, unescaped

MAX_DEPTH: Final = 60
MAX_VALUE: Final = 16_384
MAX_UPSTREAM: Final = 16
"""Commands remembered of those whose output a word holds: the latest."""

_MAX_VARIABLES: Final = 64
_HOME: Final = "HOME"
_EXPANSION: Final = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*|[0-9@*#?])(.*)", re.DOTALL)


class Value(NamedTuple):
    """What a word stands for: its text, the commands whose output it holds, and whether blanks in it split it."""

    text: str
    upstream: tuple[Command, ...] = ()
    splits: bool = False


class Words:
    """Resolves the words of one script; holds the values of the variables that it has set."""

    def __init__(self, run_inside: Callable[[Node, int], tuple[Command, ...]]) -> None:
        """Resolve words. `run_inside` reads the commands of a substitution, at a depth, and hands them back."""
        self._run_inside = run_inside
        self.source = b""
        self.variables: dict[str, Value] = {}

    def assign(self, name: str, value: Value) -> None:
        """Remember what a variable holds from now on."""
        if len(self.variables) < _MAX_VARIABLES or name in self.variables:
            self.variables[name] = value._replace(text=value.text[:MAX_VALUE])

    def text(self, node: Node) -> str:
        """The text of a node, as it is written."""
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def value(self, node: Node, depth: int) -> Value:
        """What a word stands for."""
        match node.type:
            case "word" | "command_name" | "number":
                text = self.text(node)
                return Value(re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) if "\\" in text else text)
            case "raw_string":
                return Value(self.text(node)[1:-1])
            case "ansi_c_string":
                return Value(unescaped(self.text(node)[2:-1]))
            case "string" | "translated_string":
                return self.joined(node, node.start_byte + 1, node.end_byte - 1, depth)
            case "simple_expansion" | "expansion":
                return self._expansion(self.text(node).lstrip())
            case "command_substitution" | "process_substitution":
                return self._substitution(node, depth)
            case _ if node.named_child_count and depth <= MAX_DEPTH:
                return self.joined(node, node.start_byte, node.end_byte, depth + 1)
            case _:
                return Value(self.text(node))

    def joined(self, node: Node, start: int, end: int, depth: int) -> Value:
        """What the text of `node` from `start` to `end` stands for, with the expansions in it."""
        pieces: list[str] = []
        upstream: tuple[Command, ...] = ()
        for child in node.named_children:
            if child.type in {"string_content", "heredoc_content"}:
                continue
            pieces.append(self._literal(start, child.start_byte, node.type))
            # The grammar counts blanks before a `$` to the expansion.
            text = self.text(child)
            value = self.value(child, depth)
            pieces += (text[: len(text) - len(text.lstrip())], value.text)
            upstream += value.upstream
            start = child.end_byte
        pieces.append(self._literal(start, end, node.type))
        return Value("".join(pieces)[:MAX_VALUE], upstream[-MAX_UPSTREAM:])

    def _literal(self, start: int, end: int, kind: str) -> str:
        text = self.source[start:end].decode("utf-8", "replace")
        return re.sub(r"\\([\"$`\\\n])", r"\1", text) if kind != "concatenation" and "\\" in text else text

    def _expansion(self, text: str) -> Value:
        found = _EXPANSION.match(text)
        if found is None:
            return Value(text)
        name, rest = found[1], found[2].rstrip("}")
        if name == _HOME and not rest:
            return Value("~")
        value = self.variables.get(name)
        if value is not None:
            return value if value.splits else value._replace(splits=" " in value.text)
        if rest[:2] in {":-", ":="}:
            return Value(rest[2:])
        return Value("" if name in "@*" else text, splits=name in "@*")

    def _substitution(self, node: Node, depth: int) -> Value:
        inside = self._run_inside(node, depth)
        text = output_of(inside[-1]) if inside else None
        return Value(self.text(node) if text is None else text.rstrip("\n"), inside)
