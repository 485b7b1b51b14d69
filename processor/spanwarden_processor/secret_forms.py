"""What secrets look like, what only looks like one, and which files hold them by their nature."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

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

_PRIVATE_DIRECTORIES: Final = re.compile(r"(?:^|/)\.(?:ssh|aws|gnupg|azure|config/gcloud)\Z")
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


def is_placeholder(value: str) -> bool:
    """Whether `value` is what documentation writes where a key would stand."""
    return PLACEHOLDERS.search(value) is not None


def is_private_file(path: str) -> bool:
    """Whether the file at a normal path is one that holds secrets by its nature; `$environment` does, too."""
    return _PRIVATE_FILES.search(path) is not None


def is_private_directory(path: str) -> bool:
    """Whether the directory at a normal path holds such files by its nature."""
    return _PRIVATE_DIRECTORIES.search(path) is not None


@cache
def form(name: str) -> re.Pattern[str]:
    """The expression of one of `FORMS`: vendors' forms as they are written, the others in any case."""
    special = {"named_value": NAMED_VALUE, "connection": CONNECTION, "authorization": AUTHORIZATION}
    return re.compile(special.get(name) or VENDOR_FORMS[name], re.IGNORECASE if name in special else 0)
