"""A file as backend: each request behind its length, as the Collector's file exporter writes with `format: proto`."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from spanwarden_processor.errors import ConfigurationError, RetryableExport

_LENGTH = struct.Struct(">I")


class FileExporter:
    """Appends requests to a file and flushes each to disk."""

    def __init__(self, path: Path) -> None:
        """Open the file; a request that a crash cut off at its end is removed.

        Raises:
            ConfigurationError: the file cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            self._file.seek(0)
            self._file.truncate(sum(_LENGTH.size + len(request) for request in _requests(self._file)))
        except OSError as error:
            raise ConfigurationError(f"--forward: {path} cannot be written: {error.strerror}") from None

    def export(self, request: bytes) -> None:
        """Append a request; see `Exporter`."""
        end = self._file.seek(0, os.SEEK_END)
        try:
            self._file.write(_LENGTH.pack(len(request)) + request)
            self._file.flush()
            os.fdatasync(self._file.fileno())
        except OSError as error:
            self._file.truncate(end)
            raise RetryableExport(f"{self._file.name}: {error.strerror}") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_requests(path: Path) -> Iterator[bytes]:
    """Read back what a FileExporter wrote, up to the first request that is cut off."""
    with path.open("rb") as file:
        yield from _requests(file)


def _requests(file: BinaryIO) -> Iterator[bytes]:
    while len(header := file.read(_LENGTH.size)) == _LENGTH.size:
        request = file.read(_LENGTH.unpack(header)[0])
        if len(request) < _LENGTH.unpack(header)[0]:
            return
        yield request
