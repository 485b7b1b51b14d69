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

VENDOR_FORMS: Final[dict[str, str]] = {
    "private_key": r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----",
    "aws_key": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
    "github_token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})",
    "gitlab_token": r"\bgl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_-]{20,64}",
    "slack_token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,250}",
    "slack_webhook": r"hooks\.slack\.com/services/T[A-Za-z0-9]{6,12}/B[A-Za-z0-9]{6,12}/[A-Za-z0-9]{20,32}",
    "anthropic_key": r"\bsk-ant-[A-Za-z0-9_-]{20,200}",
    "openai_key": r"\bsk-(?:(?:proj|svcacct|admin|None)-)?[A-Za-z0-9_-]{20,200}",
    "stripe_key": r"\b(?:sk|rk|whsec)_(?:live|test|prod)?_?[A-Za-z0-9]{16,250}",
    "google_key": r"\bAIza[A-Za-z0-9_-]{35}",
    "google_token": r"\b(?:ya29\.[A-Za-z0-9_-]{20,250}|GOCSPX-[A-Za-z0-9_-]{20,40})",
    "npm_token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "pypi_token": r"\bpypi-AgE[A-Za-z0-9_-]{50,250}",
    "docker_token": r"\bdckr_[op]at_[A-Za-z0-9_-]{20,64}",
    "sendgrid_key": r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}",
    "digitalocean_token": r"\bdo[opr]_v1_[a-f0-9]{64}",
    "huggingface_token": r"\bhf_[A-Za-z0-9]{30,64}\b",
    "telegram_token": r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b",
    "vault_token": r"\bhv[sb]\.[A-Za-z0-9_-]{24,250}",
    "shopify_token": r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b",
    "databricks_token": r"\bdapi[a-f0-9]{32}\b",
    "age_key": r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b",
    "azure_key": r"\bAccountKey=[A-Za-z0-9+/]{60,100}={0,2}",
    "jwt": r"\beyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}",
}
"""Forms that vendors publish for their keys. Every repetition is bounded."""

NAMED_VALUE: Final = (
    r"(?:secret|token|passw(?:or)?d|passphrase|pwd|api[_-]?key|apikey|access[_-]?key|private[_-]?key|signing[_-]?key"
    r"|encryption[_-]?key|credential|auth[_-]?key|master[_-]?key)[A-Za-z0-9_-]{0,40}"
    r"(?:\\?[\"'])?\s{0,3}(?::=|=>|=|:)\s{0,3}(?:\\?[\"'])?"
)
"""A name that says its value is secret, up to where the value begins. The quote may be escaped: text inside JSON."""

CONNECTION: Final = r"[a-z][a-z0-9+]{1,20}://[^\s:/@\"']{0,64}:[^\s:/@\"']{3,128}@"
"""A URL that holds a user and a password."""

AUTHORIZATION: Final = (
    r"authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:bearer|basic|token)\s{1,3}[A-Za-z0-9._~+/=-]{12,}"
)

FORMS: Final = {**VENDOR_FORMS, "named_value": NAMED_VALUE, "connection": CONNECTION, "authorization": AUTHORIZATION}
"""Every form by which a secret is recognised, by name."""

PLACEHOLDERS: Final = re.compile(
    r"example|placeholder|change_?me|your[_-]|[_-]here\b|<|>|\$\{|\{\{|\$\(|\.\.\.|\*\*\*|x{4,}|redacted|dummy|"
    r"[sS]ecret:|"
    r"not[_-]?set|insert|replace|1234567890|0123456789abcdef|abcdefghij|(.)\1{5,}",
    re.IGNORECASE,
)
"""What documentation writes where a key would stand."""

_PRIVATE_FILES: Final = re.compile(
    r"(?:^|/)\.env(?:\.(?!example|sample|template|dist|test\b)[\w.-]+)?\Z|(?:^|/)\.ssh/(?!known_hosts|config\Z|"
    r"authorized_keys|[\w.-]*\.pub\Z)|"
    r"(?:^|/)id_(?:rsa|dsa|ecdsa|ed25519)\Z|(?:^|/)\.(?:netrc|pgpass|git-credentials|npmrc|pypirc|htpasswd|"
    r"my\.cnf|vault-token)\Z|"
    r"(?:^|/)\.aws/|(?:^|/)\.kube/config\Z|(?:^|/)\.docker/config\.json\Z|(?:^|/)\.gnupg/|(?:^|/)\.config/gcloud/|"
    r"(?:^|/)\.azure/|"
    r"(?:^|/)(?!.*(?:\bca\b|cert|chain|public))[\w.-]+\.(?:pem|key|p12|pfx|kdbx|jks|keystore|ppk)\Z|"
    r"^/etc/(?:shadow|gshadow|sudoers|ssh/ssh_host_\w+_key)\Z|"
    r"^/proc/[^/]+/environ\Z|(?:^|/)(?:secrets?|credentials?|passwords?)(?:\.(?:ya?ml|json|toml|env|txt|ini|csv|"
    r"enc|cfg|properties))?\Z|"
    r"(?:^|/)\.(?:bash|zsh|psql|mysql|python)_history\Z|(?:^|/)(?:Login Data|Cookies|logins\.json|key4\.db|"
    r"wallet\.dat)\Z|"
    r"(?:^|/)(?:service[-_]account|client_secret|gcp[-_]?key)[\w.-]*\.json\Z|(?:^|/)(?:master|production)\.key\Z|"
    r"\.tfstate\Z|^\$environment\Z",
    re.IGNORECASE,
)
_CODE: Final = re.compile(r"[(\[{]|^(?:os|process|env|config|settings|self|this|req|request|ctx|args)\.|::|^\$|^%|->")
_NO_SECRET_NAME: Final = re.compile(
    r"csrf|xsrf|request|anti|next|page|set-cookie|continuation|cancell?ation|syntax", re.IGNORECASE
)
"""Names of tokens that are handed to whoever asks."""

_WORDS: Final = re.compile(r"[A-Za-z]+(?:[._ /-][A-Za-z]+)*\Z")
_VALUE: Final = re.compile(r"[^\s\"'`,;&<>|\\)\]}]{8,512}")
_PRIVATE_KEY_END: Final = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
BASE64_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]{24,65536}={0,2}")
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


def is_placeholder(value: str) -> bool:
    """Whether `value` is what documentation writes where a key would stand."""
    return PLACEHOLDERS.search(value) is not None


def is_private_file(path: str) -> bool:
    """Whether the file at a normal path is one that holds secrets by its nature; `$environment` does, too."""
    return _PRIVATE_FILES.search(path) is not None


@cache
def _forms() -> PatternSet:
    return PatternSet(FORMS)


@cache
def _expression(name: str) -> re.Pattern[str]:
    special = {"named_value": NAMED_VALUE, "connection": CONNECTION, "authorization": AUTHORIZATION}
    return re.compile(special.get(name) or VENDOR_FORMS[name], re.IGNORECASE if name in special else 0)


def _candidates(text: str) -> Iterator[Secret]:
    for name in _forms().found_in(text):
        yield from _of_form(name, text)


def _of_form(name: str, text: str) -> Iterator[Secret]:
    # What a match takes in is not looked at again, so that no text costs more than its length.
    position, expression = 0, _expression(name)
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
    decoded = unbase64(word)
    readings += [decoded.decode("latin-1"), inflated(decoded).decode("latin-1")]
    return readings


def _without_overlaps(found: Collection[Secret] | Iterator[Secret]) -> list[Secret]:
    kept: list[Secret] = []
    for secret in sorted(found, key=lambda each: (each.start, -each.end)):
        if not kept or secret.start >= kept[-1].end:
            kept.append(secret)
    return kept
