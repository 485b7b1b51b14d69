"""A command in, what it prints out, where its text alone tells: `echo`, `printf`, and coders of such text."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from typing import Final

from spanwarden_processor.effects.command import Command

MAX_TEXT: Final = 16_384
_MAX_DEPTH: Final = 60
_DECODING: Final = frozenset({"-d", "-D", "--decode", "-di", "-id"})
_ANSI_ESCAPE: Final = re.compile(r"\\(?:x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{1,4}|[0-7]{1,3}|.)", re.DOTALL)


def output_of(command: Command, depth: int = 0) -> str | None:
    """What a command prints where its text alone tells: `echo`, `printf`, coders of such text. Else None."""
    if depth > _MAX_DEPTH:
        return None
    if command.program in {"echo", "printf"}:
        words = [word for word in command.argv[1:] if not re.fullmatch(r"-[neE]+", word)]
        if command.program == "printf" and words[:1] and "%" in words[0]:
            words = words[1:]
        return unescaped(" ".join(words)) if "-e" in command.argv else " ".join(words)
    fed = command.stdin or (output_of(command.upstream[-1], depth + 1) if command.upstream else None)
    if not fed or len(fed) > MAX_TEXT:
        return None
    return _encoded(command, fed) or _decoded(command, fed)


def _encoded(command: Command, text: str) -> str | None:
    options = set(command.argv[1:])
    writes_base64 = command.program in {"base64", "base64url"} or (
        command.program == "openssl" and bool(options & {"base64", "-base64"})
    )
    if not writes_base64 or options & _DECODING:
        return None
    return base64.b64encode(text.encode("utf-8", "replace")).decode()


def _decoded(command: Command, text: str) -> str | None:
    options = set(command.argv[1:])
    try:
        match command.program:
            case "cat":
                return text if not command.argv[1:] else None
            case "rev":
                return text[::-1]
            case "base64" | "base64url" if options & _DECODING:
                return base64.b64decode(text.strip() + "=" * (-len(text.strip()) % 4)).decode()
            case "openssl" if "-d" in options and options & {"base64", "-base64", "-a", "enc"}:
                return base64.b64decode(text.strip()).decode()
            case "xxd" if {"-r", "-p"} <= options or "-rp" in options:
                return bytes.fromhex(text.strip()).decode()
            case "tr" if {"a-zA-Z", "n-za-mN-ZA-M"} <= options or {"A-Za-z", "N-ZA-Mn-za-m"} <= options:
                return codecs.decode(text, "rot13")
    except (binascii.Error, ValueError):
        return None
    return None


def _unescape(found: re.Match[str]) -> str:
    body = found[0][1:]
    if body[0] in "xu":
        return chr(int(body[1:] or "0", 16)) if len(body) > 1 else body
    if body[0] in "01234567":
        return chr(int(body, 8))
    return {"n": "\n", "t": "\t", "r": "\r", "e": "\x1b", "a": "\a"}.get(body, body)


def unescaped(text: str) -> str:
    """`text` with the escapes of `$'…'` and `echo -e` resolved."""
    return _ANSI_ESCAPE.sub(_unescape, text)
