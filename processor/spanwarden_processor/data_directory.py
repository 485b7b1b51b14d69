"""One process owns a data directory at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spanwarden_processor.errors import ConfigurationError, DataDirectoryInUse


@contextmanager
def owned(data_dir: Path) -> Iterator[Path]:
    """Hold the directory, made if it is not there. The kernel lets go of it when the process dies.

    Raises:
        DataDirectoryInUse: another process holds it; the message names that process.
        ConfigurationError: it cannot be made or written.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(data_dir / "owner.pid", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(f"--data-dir: {data_dir} cannot be written: {error.strerror}") from None
    try:
        _lock(descriptor, data_dir)
        yield data_dir
    finally:
        os.close(descriptor)


def _lock(descriptor: int, data_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        raise DataDirectoryInUse(f"--data-dir: {data_dir} is in use by process {holder}") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
