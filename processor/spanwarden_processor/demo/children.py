"""Child processes that end when the demo ends: each is the head of a process group, and the group is killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from spanwarden_processor.errors import SpanwardenError

MAX_SHOWN_CHARACTERS = 300


class ChildFailed(SpanwardenError):
    """A process of the demo failed or took too long. The message names it and its last words."""


@asynccontextmanager
async def child(
    command: Sequence[str], directory: Path, environment: Mapping[str, str], errors: int = asyncio.subprocess.STDOUT
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command with its output piped; at the end of the context its whole group is killed.

    `errors` is where its errors go: a file descriptor, or with the output.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=directory,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    except OSError as error:
        raise ChildFailed(f"{command[0]} cannot be started: {error.strerror}") from None
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def run_child(command: Sequence[str], directory: Path, environment: Mapping[str, str], seconds: float) -> str:
    """Run a command to its end; its output.

    Raises:
        ChildFailed: it cannot be started, exits with another code than 0, or takes longer than `seconds`.
    """
    async with child(command, directory, environment) as process:
        try:
            output, _ = await asyncio.wait_for(process.communicate(), seconds)
        except TimeoutError:
            raise ChildFailed(f"{shown(command)} took longer than {seconds:.0f} s") from None
    text = output.decode(errors="replace")
    if process.returncode:
        raise ChildFailed(f"{shown(command)} failed with exit code {process.returncode}: {last_words(text)}")
    return text


def shown(command: Sequence[str]) -> str:
    """A command for a message: its program and the first argument that is no path or flag."""
    return " ".join([Path(command[0]).name, *(Path(part).name for part in command[1:3])])


def last_words(output: str) -> str:
    """The end of what a process said, on one line."""
    return " ".join(output.split())[-MAX_SHOWN_CHARACTERS:] or "it said nothing"
