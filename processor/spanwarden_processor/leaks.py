"""What a call sends in, the secrets that leave with it out: plain, encoded, in pieces, or as a file that holds them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote

from spanwarden_processor.effects.effect import Effect
from spanwarden_processor.effects.flow import ENVIRONMENT
from spanwarden_processor.effects.paths import host_of
from spanwarden_processor.indexes import KnownSecret
from spanwarden_processor.secret_forms import is_private_directory, is_private_file
from spanwarden_processor.secrets import decodings, find_secrets
from spanwarden_processor.session import Session
from spanwarden_processor.types import Step

_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]{16,65536}={0,2}")
_HEX_RUN: Final = re.compile(
    r"(?:[0-9a-fA-F]{2}){8,32768}|(?:\\?x[0-9a-fA-F]{2}){8,8192}|(?:[0-9a-fA-F]{2}[:\s]){8,8192}"
)
_MAX_RUNS: Final = 48
_NEEDLE: Final = 48
_MIN_LINE: Final = 20
_MAX_NEEDLES: Final = 40
_WHOLE: Final = 0.75
_SECRET_VARIABLE: Final = re.compile(
    r"\$\{?([A-Z0-9_]*(?:SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIAL)[A-Z0-9_]*)"
    r"|(?:os\.environ(?:\.get)?[(\[]|os\.getenv\(|process\.env\.)['\"]?([A-Z0-9_]*(?:SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIAL)[A-Z0-9_]*)"
)
_WHOLE_ENVIRONMENT: Final = re.compile(
    r"\bos\.environ\b(?!\s*[.\[(])|dict\(os\.environ\)|\bprocess\.env\b(?![.\[])|os\.environ\.(?:copy|items)\("
)


class Leak(NamedTuple):
    """A secret that leaves with an effect.

    `what` says it in words without showing it; `how` says in what form. `as_credential` is True where it only proves
    who is asking. `kind` and `origin` are those of the secret; `seen` is the step that showed it, where one did.
    """

    what: str
    how: str
    as_credential: bool
    kind: str
    origin: str
    seen: Step | None
    secret: KnownSecret | None


def leaks_of(session: Session, effect: Effect) -> Iterator[Leak]:
    """The secrets that leave with `effect`, the most telling first."""
    yield from _files(session, effect)
    yield from _values(session, effect)
    yield from _pieces(session, effect)
    yield from _unseen(effect)


def views_of(text: str) -> Iterator[tuple[str, str]]:
    """`text` and what can be read out of it: (text, the encoding that hid it; empty for none)."""
    yield text, ""
    if "%" in text:
        yield unquote(text), "URL-encoded"
    yield text[::-1], "reversed"
    for run in list(_RUN.finditer(text))[:_MAX_RUNS]:
        yield from ((decoded.decode("utf-8", "replace"), how) for decoded, how in decodings(run[0]))
    for run in list(_HEX_RUN.finditer(text))[:_MAX_RUNS]:
        digits = re.sub(r"[^0-9a-fA-F]", "", run[0].replace("\\x", ""))
        yield bytes.fromhex(digits[: len(digits) // 2 * 2]).decode("utf-8", "replace"), "hex-encoded"


def _files(session: Session, effect: Effect) -> Iterator[Leak]:
    for source in effect.sources:
        origins = (source, *session.tainted.get(source, ()))
        private = next((path for path in origins if is_private_file(path) or is_private_directory(path)), None)
        holder = next((known for known in session.secrets.values() if known.source in origins), None)
        if private is None and holder is None:
            continue
        origin = private or source
        kind = "directory" if is_private_directory(origin) else "file"
        described = f"the private {kind} {origin}" if private else f"the file {origin}, which holds a secret"
        what = "the whole environment" if origin == ENVIRONMENT else described
        how = _encoding(effect) if origin == source else f"copied to {source}"
        yield Leak(what, how, False, "file", origin, holder.step if holder else None, holder)


def _encoding(effect: Effect) -> str:
    encoders = {"base64", "xxd", "gzip", "openssl", "rev", "od", "hexdump", "tar", "zip"}
    text = effect.quote
    return "encoded" if any(re.search(rf"\b{name}\b", text) for name in encoders) else ""


def _values(session: Session, effect: Effect) -> Iterator[Leak]:
    if not session.secrets:
        return
    views = list(views_of(effect.data))
    for known in session.secrets.values():
        needles = _needles(known.value)
        how = next((how for text, how in views if any(needle in text for needle in needles)), None)
        if how is not None:
            yield Leak(_named(known), how, False, known.kind, known.source, known.step, known)
        elif effect.credentials and any(each in text for text, _ in views_of(effect.credentials) for each in needles):
            yield Leak(_named(known), "", True, known.kind, known.source, known.step, known)


def _needles(value: str) -> list[str]:
    """Parts of a secret that are found again also where its line ends are written differently, or a part is sent."""
    if len(value) <= _NEEDLE:
        return [value]
    lines = [line for line in re.split(r"\\n|\s", value) if len(line) >= _MIN_LINE and "-----" not in line]
    return [line[:_NEEDLE] for line in lines[:_MAX_NEEDLES]] or [value[:_NEEDLE]]


def _named(known: KnownSecret) -> str:
    return f"{described(known.kind)} from {known.source[-60:]}"


def described(kind: str) -> str:
    """A kind of secret in words."""
    words = {"named_value": "a secret value", "connection_password": "a password", "authorization": "a credential"}
    name = kind.replace("_", " ")
    return words.get(kind) or f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def _pieces(session: Session, effect: Effect) -> Iterator[Leak]:
    host = host_of(effect.target) or effect.target
    for known in session.secrets.values():
        spans = session.pieces.get((host, known.value), frozenset())
        covered = {position for start, end in spans for position in range(start, end)}
        if len(spans) > 1 and len(covered) >= _WHOLE * len(known.value):
            yield Leak(_named(known), "in pieces", False, known.kind, known.source, known.step, known)


def _unseen(effect: Effect) -> Iterator[Leak]:
    """Secrets that leave without having been shown: written into the call, or taken from a variable."""
    variable = _SECRET_VARIABLE.search(effect.data) if "$" in effect.data or "env" in effect.data else None
    if variable:
        name = variable[1] or variable[2]
        yield Leak(f"the secret in the variable {name}", "", False, "variable", name, None, None)
    if _WHOLE_ENVIRONMENT.search(effect.data):
        yield Leak("the whole environment", "", False, "file", ENVIRONMENT, None, None)
    for text, how in views_of(effect.data):
        if how:
            hidden = next(iter(find_secrets(text[:16_384])), None)
            if hidden:
                yield Leak(
                    described(hidden.kind),
                    how,
                    False,
                    hidden.kind,
                    "the call itself",
                    None,
                    None,
                )
                return
