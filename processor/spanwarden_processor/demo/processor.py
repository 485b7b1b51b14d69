"""A processor for the demo: `spanwarden serve` on free ports, stopped when the context ends."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from spanwarden_processor.config import MIB
from spanwarden_processor.demo.children import ChildFailed, child, last_words

START_SECONDS = 30.0
STOP_SECONDS = 30.0
LOG_FILE = "serve.log"


@asynccontextmanager
async def processor(data_dir: Path, forward: str) -> AsyncIterator[str]:
    """Run a processor with its data in an existing directory; gives the address where it takes OTLP/gRPC.

    When the body ends normally the processor is asked to stop and finishes what it holds: after the context, every
    verdict is in its store. When the body fails, it is killed.

    Raises:
        ChildFailed: it does not start, or does not finish in time.
    """
    log = data_dir / LOG_FILE
    command = [sys.executable, "-m", "spanwarden_processor", "serve", "--json"]
    command += ["--listen", "127.0.0.1:0", "--admin", "none", "--forward", forward, "--data-dir", str(data_dir)]
    command += ["--max-message-bytes", str(16 * MIB), "--spool-bytes", str(64 * MIB)]
    with log.open("wb") as errors:
        async with child(command, data_dir, os.environ, errors.fileno()) as process:
            yield await _address(process, log)
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                raise ChildFailed(f"the processor did not stop within {STOP_SECONDS:.0f} s; see {log}") from None
    if process.returncode:
        raise ChildFailed(f"the processor failed with exit code {process.returncode}: {_tail(log)}")


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
    except TimeoutError:
        raise ChildFailed(f"the processor did not start within {START_SECONDS:.0f} s; see {log}") from None
    if not line:
        raise ChildFailed(f"the processor did not start: {_tail(log)}")
    return str(json.loads(line)["otlp_grpc"])


def _tail(log: Path) -> str:
    return last_words(log.read_text(encoding="utf-8", errors="replace"))
