"""Every measurement in one run: `make bench`, or `python -m tests.bench [--short] [--minutes N] [--json]`."""

from __future__ import annotations

import argparse
import json
import sys

from tests.bench import history, instrumentation, pipeline, rates, sustained


def main() -> None:
    """Measure and print; the JSON has the same rows as the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a minute or two, without the long load")
    parser.add_argument("--minutes", type=float, default=sustained.MINUTES, help="of the long load")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rounds, requests, seconds = (2, 60, 5.0) if arguments.short else (5, 300, 20.0)
    through = pipeline.table(pipeline.run(rounds, requests))
    borne = rates.run(seconds)
    grown = history.run()
    borne_long = [] if arguments.short else sustained.run(arguments.minutes)
    calls = instrumentation.measure()
    retained = instrumentation.retained_bytes()
    if arguments.json:
        rows = {
            "pipeline": through,
            "rates": borne,
            "history": grown,
            "sustained": borne_long,
            "instrumentation": [row._asdict() for row in calls],
            "shares_of_official": instrumentation.shares_of_official(calls),
            "retained_bytes_a_call": round(retained, 1),
        }
        sys.stdout.write(json.dumps(rows) + "\n")
    else:
        kept = f"{retained:.1f} bytes retained a call, over {instrumentation.RETAINED_CALLS} calls"
        tables = (
            pipeline.as_text(through, rounds),
            rates.as_text(borne),
            history.as_text(grown),
            sustained.as_text(borne_long),
            instrumentation.as_text(calls),
            kept,
        )
        sys.stdout.write("\n\n".join(filter(None, tables)) + "\n")


if __name__ == "__main__":
    main()
