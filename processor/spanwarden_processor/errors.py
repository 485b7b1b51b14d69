"""What can go wrong, named after the situation.

SpanwardenError
 +-- ConfigurationError      a setting, a flag or a file of settings is wrong; exit code 2
 |    +-- DataDirectoryInUse another process owns the data directory
 +-- NotOtlp                 bytes that are no ExportTraceServiceRequest at top level
 +-- SpoolFull               intake is stopped until the backend has taken what is held
 +-- ExportError
      +-- RetryableExport    the backend may take it later
      +-- PermanentExport    the backend refuses these bytes for good
"""

from __future__ import annotations


class SpanwardenError(Exception):
    """The root of all errors of this package."""


class ConfigurationError(SpanwardenError):
    """A setting is wrong. The message names the file or flag, the key, and what was expected."""


class DataDirectoryInUse(ConfigurationError):
    """Another process owns the data directory. The message names it."""


class NotOtlp(SpanwardenError):
    """The bytes are not an OTLP request, so there is nothing to keep."""


class SpoolFull(SpanwardenError):
    """The spool is filled to its intake limit: the sender should come again later."""


class ExportError(SpanwardenError):
    """The backend did not take a request."""


class RetryableExport(ExportError):
    """The backend may take the same bytes later. `delay_seconds` is its own wish, where it named one."""

    def __init__(self, message: str, delay_seconds: float | None = None) -> None:
        super().__init__(message)
        self.delay_seconds = delay_seconds


class PermanentExport(ExportError):
    """The backend refuses these bytes whatever the time."""
