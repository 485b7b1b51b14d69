"""LMDB, as the spool needs it: a file of fixed size, its fill, and small housekeeping."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_bytes
from typing import Any

import lmdb

from spanwarden_processor.errors import ConfigurationError


def used_bytes(txn: Any, databases: dict[str, Any]) -> int:
    """Bytes of the map that hold data. The high-water mark of the file says less: freed pages are used again."""
    stats = [txn.stat(database) for database in databases.values()]
    return sum((s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"]) * s["psize"] for s in stats)


def keep_newest(txn: Any, database: Any, limit: int) -> None:
    """Bound a database whose values are times: when it has passed the limit, the oldest go, and a tenth more."""
    if txn.stat(database)["entries"] <= limit:
        return
    by_age = sorted((value, key) for key, value in txn.cursor(database))
    for _, key in by_age[: len(by_age) - limit + limit // 10]:
        txn.delete(key, db=database)


def secret(txn: Any, meta: Any, name: bytes) -> bytes:
    """A random key that stays the same for this data directory."""
    txn.put(name, token_bytes(16), db=meta, overwrite=False)
    return bytes(txn.get(name, db=meta))


def open_environment(directory: Path, map_bytes: int, max_databases: int) -> Any:
    """Open or create an environment whose file has its full size from the start, so that it cannot run out of disk.

    Raises:
        ConfigurationError: the directory cannot be written or has no room for the map.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        environment = lmdb.open(
            str(directory), map_size=map_bytes, max_dbs=max_databases, max_readers=64, meminit=False
        )
        with (directory / "data.mdb").open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, map_bytes)
    except (OSError, lmdb.Error) as error:
        raise ConfigurationError(f"the spool in {directory} cannot be opened with {map_bytes} bytes: {error}") from None
    return environment
