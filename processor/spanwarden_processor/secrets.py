"""Text in, secrets out: finds keys, tokens and passwords, and replaces them by typed placeholders.

A secret is recognised by the form its vendor gives it, or by a name that says so beside a value that looks random.
Keys from documentation and placeholders are no secrets.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cache
from typing import Final, NamedTuple

from spanwarden_processor.patterns import PatternSet
from spanwarden_processor.secret_forms import FORMS, form, is_placeholder

MAX_SECRETS: Final = 64
"""Secrets reported of one text; more are redacted all the same."""


class Secret(NamedTuple):
    """A secret and where it stands in its text (in characters)."""

    kind: str
    value: str
    start: int
    end: int


_PIECE: Final = 8
"""Characters of a secret that are too many to be there by chance."""
_WORD: Final = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_MAX_INFLATED: Final = 65_536

_CODE: Final = re.compile(r"[(\[{]|^(?:os|process|env|config|settings|self|this|req|request|ctx|args)\.|::|^\$|^%|->")
_NO_SECRET_NAME: Final = re.compile(
    r"csrf|xsrf|request|anti|next|page|set-cookie|continuation|cancell?ation|syntax", re.IGNORECASE
)
"""Names of tokens that are handed to whoever asks."""

_WORDS: Final = re.compile(r"[A-Za-z]+(?:[._ /-][A-Za-z]+)*\Z")
_VALUE: Final = re.compile(r"[^\s\"'`,;&<>|\\)\]}]{8,512}")
_PRIVATE_KEY_END: Final = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
BASE64_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]{24,65536}={0,2}")
_BASE32: Final = re.compile(r"[A-Z2-7]{16,}={0,6}")
_PRIVATE_KEY_LIMIT: Final = 16_384


def find_secrets(text: str) -> list[Secret]:
    """Secrets in `text`, in order and without overlaps; the first `MAX_SECRETS` of them."""
    return _without_overlaps(_candidates(text))[:MAX_SECRETS]


def redact(text: str, key: bytes, known: Collection[str] = ()) -> str:
    """`text` with every secret replaced by a typed placeholder such as `[secret:aws_key:3f9c]`.

    The last part is a fingerprint under `key`: the same secret shows the same four digits, and nothing can be learned
    from them without the key. A base64 run that decodes to a secret is replaced as a whole. `known` are values that
    are secret though their form does not show it.
    """
    found = [*_candidates(text), *_encoded(text), *_occurrences(text, known), *_disguised(text, known)]
    pieces: list[str] = []
    position = 0
    for secret in _without_overlaps(found):
        pieces += (text[position : secret.start], f"[secret:{secret.kind}:{fingerprint(secret.value, key)}]")
        position = secret.end
    return "".join((*pieces, text[position:]))


def fingerprint(value: str, key: bytes) -> str:
    """Four hexadecimal digits that identify `value` to whoever holds `key`."""
    keyed = key if len(key) <= hashlib.blake2s.MAX_KEY_SIZE else hashlib.blake2s(key).digest()
    return hashlib.blake2s(value.encode("utf-8", "replace"), key=keyed, digest_size=2).hexdigest()


@cache
def _forms() -> PatternSet:
    return PatternSet(FORMS)


def _candidates(text: str) -> Iterator[Secret]:
    for name in _forms().found_in(text):
        yield from _of_form(name, text)


def _of_form(name: str, text: str) -> Iterator[Secret]:
    # What a match takes in is not looked at again, so that no text costs more than its length.
    position, expression = 0, form(name)
    while found := expression.search(text, position):
        end, secret = _secret_at(name, text, found)
        position = max(end, found.end())
        if secret:
            yield secret


def _secret_at(name: str, text: str, found: re.Match[str]) -> tuple[int, Secret | None]:
    """The secret that a match announces, if it is one, and where to go on looking."""
    match name:
        case "named_value":
            return _named_value(text, found)
        case "connection":
            return found.end(), _password(text, found)
        case "authorization":
            return found.end(), _bearer(found)
        case "private_key":
            key = _private_key(text, found)
            return key.end, key
        case _:
            is_key = not is_placeholder(found[0]) and looks_random(found[0].rsplit("_", 1)[-1])
            return found.end(), Secret(name, found[0], found.start(), found.end()) if is_key else None


def _named_value(text: str, name: re.Match[str]) -> tuple[int, Secret | None]:
    value = _VALUE.match(text, name.end())
    is_shown = name[0].startswith("secret:") and text[name.start() - 1 : name.start()] == "["
    if value is None or is_shown:
        return name.end(), None
    if _NO_SECRET_NAME.search(text, max(0, name.start() - 16), name.end()) or not _is_secret_value(value[0]):
        return value.end(), None
    kind = "password" if name[0][:4].lower() in {"pass", "pwd="} else "named_value"
    return value.end(), Secret(kind, *_span(value))


def _span(found: re.Match[str], group: int = 0) -> tuple[str, int, int]:
    return found[group], found.start(group), found.end(group)


def _is_secret_value(value: str) -> bool:
    if is_placeholder(value) or _CODE.search(value) or _WORDS.match(value) or "://" in value:
        return False
    return looks_random(value) or (any(map(str.isdigit, value)) and any(map(str.isalpha, value)))


def looks_random(value: str) -> bool:
    """Whether the characters of `value` are as mixed as those of a key: above 3 bits each, where it is long enough."""
    if len(value) < 8:
        return False
    counts = Counter(value[:256])
    total = min(len(value), 256)
    entropy = -sum(count / total * math.log2(count / total) for count in counts.values())
    return entropy > min(3.0, math.log2(total) - 0.75)


def _password(text: str, found: re.Match[str]) -> Secret | None:
    credentials = found[0].partition("://")[2][:-1]
    password = credentials.partition(":")[2]
    if is_placeholder(password) or _CODE.search(password) or password.lower() in {"password", "pass", "secret"}:
        return None
    end = found.end() - 1
    return Secret("connection_password", text[end - len(password) : end], end - len(password), end)


def _bearer(found: re.Match[str]) -> Secret | None:
    value = found[0].split()[-1]
    if is_placeholder(value) or not looks_random(value):
        return None
    return Secret("authorization", value, found.end() - len(value), found.end())


def _private_key(text: str, found: re.Match[str]) -> Secret:
    limit = found.start() + _PRIVATE_KEY_LIMIT
    closing = _PRIVATE_KEY_END.search(text, found.end(), limit)
    end = closing.end() if closing else min(limit, len(text))
    return Secret("private_key", text[found.start() : end], found.start(), end)


def _encoded(text: str) -> Iterator[Secret]:
    for run in BASE64_RUN.finditer(text):
        decoded = decode_base64(run[0])
        inner = next(iter(find_secrets(decoded)), None) if decoded else None
        if inner:
            yield Secret(inner.kind, inner.value, run.start(), run.end())


def decode_base64(run: str) -> str:
    """The readable text that `run` encodes in base64 (either alphabet, padded or not), or an empty string."""
    try:
        return unbase64(run).decode()
    except UnicodeDecodeError:
        return ""


def unbase64(run: str) -> bytes:
    """What `run` encodes in base64 (either alphabet, padded or not, cut or not), or nothing."""
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    body = body[:-1] if len(body) % 4 == 1 else body
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return b""


def decodings(run: str) -> Iterator[tuple[bytes, str]]:
    """What a run of encoded text may hold, and the encoding in words: base64 once or twice, compressed, base32."""
    once = unbase64(run)
    plain = inflated(once)
    yield plain, "base64-encoded" if plain is once else "compressed and base64-encoded"
    inner = BASE64_RUN.fullmatch(plain.decode("latin-1").strip())
    if inner:
        yield inflated(unbase64(inner[0])), "base64-encoded twice"
    if _BASE32.fullmatch(run):
        body = run.rstrip("=")
        with suppress(binascii.Error):
            yield base64.b32decode(body + "=" * (-len(body) % 8)), "base32-encoded"


def inflated(data: bytes) -> bytes:
    """The beginning of what was compressed with gzip or zlib; other data as it is."""
    try:
        return zlib.decompressobj(wbits=47).decompress(data, _MAX_INFLATED)
    except zlib.error:
        return data


def _occurrences(text: str, values: Collection[str]) -> Iterator[Secret]:
    for value in values:
        start = text.find(value) if value else -1
        while start >= 0:
            yield Secret("known", value, start, start + len(value))
            start = text.find(value, start + len(value))


def _disguised(text: str, values: Collection[str]) -> Iterator[Secret]:
    """Words that hold a known secret in another form: in hex, base64 or gzip, backwards, or a piece of it."""
    long = [value for value in values if len(value) >= 2 * _PIECE]
    for word in _WORD.finditer(text) if long else ():
        readings = _readings(word[0])
        for value in long:
            pieces = {value[at : at + _PIECE] for at in range(len(value) - _PIECE + 1)}
            if value not in word[0] and any(piece in reading for reading in readings for piece in pieces):
                yield Secret("known", value, word.start(), word.end())
                break


def _readings(word: str) -> list[str]:
    readings = [word, word[::-1]]
    with suppress(ValueError):
        readings.append(bytes.fromhex(word[: len(word) // 2 * 2]).decode("latin-1"))
    return readings + [decoded.decode("latin-1") for decoded, _ in decodings(word)]


def _without_overlaps(found: Collection[Secret] | Iterator[Secret]) -> list[Secret]:
    kept: list[Secret] = []
    for secret in sorted(found, key=lambda each: (each.start, -each.end)):
        if not kept or secret.start >= kept[-1].end:
            kept.append(secret)
    return kept
