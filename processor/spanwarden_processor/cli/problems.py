"""Errors as a user meets them: one line on stderr and exit code 2."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from spanwarden_processor.errors import SpanwardenError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def one_line_errors(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turn our own errors into a line and exit code 2; all others are bugs and show where they happened."""

    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except SpanwardenError as error:
            typer.echo(f"spanwarden: {error}", err=True)
            raise typer.Exit(2) from None

    return wrapped
