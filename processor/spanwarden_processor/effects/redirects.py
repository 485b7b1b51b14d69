"""Redirections of shell statements: files that are read and written, here-documents, here-strings."""

from __future__ import annotations

from typing import Final, NamedTuple

from tree_sitter import Node

from spanwarden_processor.effects.command import Command
from spanwarden_processor.effects.expansion import Value, Words


class Redirects(NamedTuple):
    """Where a command reads and writes beside its pipe: files, text given in the script, commands flowing in."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    appends: tuple[str, ...] = ()
    stdin: str = ""
    upstream: tuple[Command, ...] = ()


NO_REDIRECTS: Final = Redirects()


def redirects_of(words: Words, node: Node, known: Redirects, depth: int) -> tuple[Redirects, list[Node]]:
    """What `node` redirects, added to what is `known`, and the statements that follow in the same node."""
    reads, writes, appends, stdin, upstream = known
    following: list[Node] = []
    for child in node.named_children:
        match child.type:
            case "file_redirect":
                target = child.child_by_field_name("destination")
                value = words.value(target, depth) if target else Value("")
                operator = "".join(each.type for each in child.children if not each.is_named)
                upstream += value.upstream
                if operator == "<":
                    reads += (value.text,)
                elif ">&" not in operator and "<&" not in operator and value.text != "/dev/null":
                    writes, appends = (
                        (writes, (*appends, value.text)) if ">>" in operator else ((*writes, value.text), appends)
                    )
            case "herestring_redirect":
                value = words.value(child.named_children[-1], depth) if child.named_children else Value("")
                stdin, upstream = stdin + value.text, upstream + value.upstream
            case "heredoc_redirect":
                inner, more = redirects_of(words, child, NO_REDIRECTS, depth)
                text, inside = _heredoc(words, child, depth)
                reads, writes, appends = reads + inner.reads, writes + inner.writes, appends + inner.appends
                stdin, upstream, following = stdin + text, upstream + inside, following + more
            case "pipeline" | "list" | "command" | "redirected_statement" if node.type == "heredoc_redirect":
                following.append(child)
            case _:
                pass
    return Redirects(reads, writes, appends, stdin, upstream), following


def _heredoc(words: Words, node: Node, depth: int) -> tuple[str, tuple[Command, ...]]:
    bodies = [child for child in node.named_children if child.type == "heredoc_body"]
    start = next((words.text(child) for child in node.named_children if child.type == "heredoc_start"), "")
    if not bodies:
        return "", ()
    if start[:1] in "'\"\\":
        return words.text(bodies[0]), ()
    value = words.joined(bodies[0], bodies[0].start_byte, bodies[0].end_byte, depth)
    return value.text, value.upstream


def gathering(source: str, redirects: Redirects, upstream: tuple[Command, ...]) -> Command:
    """What writes the output of a group of commands, or of a nested script, to files."""
    writes, appends = redirects.writes, redirects.appends
    return Command(("cat",), source, writes=writes, appends=appends, upstream=upstream, program="cat")
