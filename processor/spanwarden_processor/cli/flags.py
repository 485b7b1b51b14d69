"""Values of flags that several commands take, checked: text in, value out."""

from __future__ import annotations

from spanwarden_processor.errors import ConfigurationError

SEVERITIES = {"low": 1, "moderate": 2, "high": 3, "critical": 4}


def severity_number(flag: str, name: str) -> int:
    """The number of a severity.

    Raises:
        ConfigurationError: there is no such severity.
    """
    if name not in SEVERITIES:
        raise ConfigurationError(f"--{flag}: expected low, moderate, high or critical (was {name!r})")
    return SEVERITIES[name]
