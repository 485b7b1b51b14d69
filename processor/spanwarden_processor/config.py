"""Settings of `serve`: flags over SPANWARDEN_* variables over one YAML file, checked before anything starts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from spanwarden_processor.errors import ConfigurationError

MIB = 1024 * 1024
ENVIRONMENT_PREFIX = "SPANWARDEN_"
_REFERENCE = re.compile(r"\$\{env:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


class Address(NamedTuple):
    """Where a listener binds. Port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Settings(BaseModel):
    """Everything an operator can set. Sizes are bytes, times are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    forward: str
    """The backend: `http(s)://host:port` is OTLP/gRPC, `file:///path` appends length-prefixed OTLP to a file."""
    listen: Address = Address("127.0.0.1", 4317)
    """Where OTLP/gRPC is received."""
    admin: Address | None = Address("127.0.0.1", 8889)
    """Where /metrics, /healthz and /readyz answer; `none` for nowhere."""
    data_dir: Annotated[Path, Field(validate_default=True)] = Path("~/.local/share/spanwarden")
    """What must survive a restart: the spool and the findings."""
    spool_bytes: Annotated[int, Field(ge=2 * MIB)] = 2048 * MIB
    """Disk set aside for spans that are not yet delivered. Intake stops at 70 % of it."""
    max_message_bytes: Annotated[int, Field(ge=MIB, le=512 * MIB)] = 64 * MIB
    """The largest request that is received (OTLP recommends 64 MiB)."""
    max_in_flight_bytes: Annotated[int, Field(ge=MIB)] = 256 * MIB
    """Requests being made durable at one time; above it senders are told to come again."""
    forward_max_bytes: Annotated[int, Field(ge=1024)] = 4 * MIB
    """The largest request that is sent, where a single span allows it. 4 MiB is what most receivers take."""
    forward_timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    """How long the backend may take to answer one request."""
    scoring_timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    """How long the scorer may take for one record before it is replaced."""
    session_idle_seconds: Annotated[float, Field(gt=0)] = 300.0
    """A session without a span for this long has ended."""
    shutdown_seconds: Annotated[float, Field(ge=0, le=600)] = 10.0
    """How long a stop may wait for what is held to be delivered. What is left stays on disk."""
    evidence: Literal["quote", "offsets", "none"] = "quote"
    """What of the evidence is written: quotes, only where it stands, or nothing."""
    approval_sources: tuple[str, ...] = ()
    """Sources whose approvals count as trusted: values of `spanwarden.approval.source`."""

    @field_validator("listen", "admin", mode="before")
    @classmethod
    def _read_address(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None or (info.field_name == "admin" and value == "none"):
            return None
        return parse_address(value) if isinstance(value, str) else value

    @field_validator("approval_sources", mode="before")
    @classmethod
    def _read_list(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("data_dir")
    @classmethod
    def _expand_home(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("forward")
    @classmethod
    def _check_forward(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
            return value
        if parts.scheme not in ("http", "https") or not parts.hostname or not _port_of(value):
            raise ValueError("expected http://HOST:PORT, https://HOST:PORT or file:///PATH")
        if parts.path not in ("", "/"):
            raise ValueError("a path means OTLP/HTTP, which is not supported; give http://HOST:PORT of OTLP/gRPC")
        return value

    @model_validator(mode="after")
    def _leave_room_for_one_message(self) -> Settings:
        if self.spool_bytes // 2 < self.max_message_bytes:
            needed = 2 * self.max_message_bytes
            raise ValueError(f"spool_bytes must be at least {needed}: twice max_message_bytes, or none would fit")
        return self

    @model_validator(mode="after")
    def _refuse_a_loop(self) -> Settings:
        parts = urlsplit(self.forward)
        local = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}
        hosts = local if self.listen.host in local else {self.listen.host}
        if parts.hostname in hosts and _port_of(self.forward) == self.listen.port:
            raise ValueError(f"forward is {self.listen}, this process's own listener: spans would go round for ever")
        return self


def parse_address(text: str) -> Address:
    """Read `HOST:PORT` (`[::1]:4317` for IPv6). Raises ValueError with what was expected."""
    parts = urlsplit(f"//{text}")
    port = _port_of(f"//{text}")
    if not parts.hostname or port is None or parts.path:
        raise ValueError("expected HOST:PORT, for example 127.0.0.1:4317")
    return Address(parts.hostname, port)


def load(
    flags: Mapping[str, Any], *, file: Path | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Join the three sources and check them.

    Args:
        flags: what was given on the command line; None values count as not given.
        file: a YAML mapping of the same keys; `${env:NAME:-default}` is replaced in its strings.
        environment: variables, `os.environ` unless given.

    Raises:
        ConfigurationError: the first thing that is wrong, with its source, its key and what was expected.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, source in (
        (f"{file}: ", _read_file(file, environment) if file else {}),
        (ENVIRONMENT_PREFIX, _read_environment(environment)),
        ("--", {key: value for key, value in flags.items() if value is not None}),
    ):
        values.update(source)
        origins.update(dict.fromkeys(source, origin))
    try:
        return Settings(**values)
    except ValidationError as error:
        raise ConfigurationError(_first_problem(error, origins)) from None


def default_data_dir(environment: Mapping[str, str] | None = None) -> Path:
    """The data directory where no flag and no file names one."""
    environment = os.environ if environment is None else environment
    named = environment.get(ENVIRONMENT_PREFIX + "DATA_DIR")
    return Path(named or Settings.model_fields["data_dir"].default).expanduser().absolute()


def _first_problem(error: ValidationError, origins: Mapping[str, str]) -> str:
    # a misspelt key comes first: it is the reason why another one is missing
    problem = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    key = str(problem["loc"][0]) if problem["loc"] else "forward"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"--{key} is missing: {_MISSING.get(key, 'a value is required')}"
    if problem["type"] == "extra_forbidden":
        message = f"no such setting; there are: {', '.join(sorted(Settings.model_fields))}"
    given = "" if problem["loc"] == () else f" (was {str(problem['input'])[:80]!r})"
    return f"{_spelled(origins.get(key, '--'), key)}: {message}{given}"


_MISSING = {"forward": "where the spans go, for example --forward http://127.0.0.1:4317"}


def _spelled(origin: str, key: str) -> str:
    if origin == ENVIRONMENT_PREFIX:
        return origin + key.upper()
    return origin + (key.replace("_", "-") if origin == "--" else key)


def _read_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    names = {ENVIRONMENT_PREFIX + key.upper(): key for key in Settings.model_fields}
    return {key: environment[name] for name, key in names.items() if environment.get(name)}


def _read_file(file: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: is not YAML: {' '.join(str(error).split())}") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ConfigurationError(f"{file}: expected a mapping of settings")
    return {key: _resolve(value, environment, f"{file}: {key}") for key, value in content.items()}


def _resolve(value: Any, environment: Mapping[str, str], where: str) -> Any:
    if isinstance(value, list):
        return [_resolve(item, environment, where) for item in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        found = environment.get(match["name"]) or match["default"]
        if found is None:
            raise ConfigurationError(f"{where}: the variable {match['name']} is not set and has no default")
        return found

    return _REFERENCE.sub(replace, value)


def _port_of(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:
        return None
