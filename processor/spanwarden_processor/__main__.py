"""The console script `spanwarden`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; say what is missing where only the instrumentation is installed."""
    try:
        from spanwarden_processor.cli import run
    except ModuleNotFoundError as error:
        sys.exit(f"spanwarden: {error.name} is not installed; the processor needs: pip install 'spanwarden[processor]'")
    sys.exit(run())


if __name__ == "__main__":
    main()
