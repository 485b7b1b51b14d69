"""Record what the SDK's OTLP exporter sends of one session: `python tests/instrumentation/record_loop.py FILE`.

The session: a two-tool loop with reasoning, then a second user turn. The file has one JSON object a line,
`{"request": …}`, the base64 of an ExportTraceServiceRequest as it came over the socket.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest's `pythonpath` does

from instrumentation.programs_run import exporting_to, run_program
from otlp_sink import running_sink
from scripted_model import asked, said, scripted_model

RECORDING = Path(__file__).parents[1] / "processor" / "recordings" / "hand_written_loop.jsonl"

_ANSWERS = (
    asked(
        ("call_7f3a01", "bash", {"command": "ls"}),
        ("call_7f3a02", "read_file", {"path": "notes.txt"}),
        reasoning_content="The user wants to know what is here. I list the directory and read the notes.",
    ),
    said("There is one file, notes.txt. It says that the release is on Monday."),
    asked(("call_7f3a03", "bash", {"command": "wc -w notes.txt"}), reasoning="Counting words is a job for wc."),
    said("It has six words."),
)


def record() -> list[bytes]:
    """Run the loop in a process of its own and return the requests that arrived."""
    with tempfile.TemporaryDirectory() as directory, scripted_model(*_ANSWERS) as model, running_sink() as received:
        (Path(directory) / "notes.txt").write_text("The release is on next Monday.\n")
        environment = exporting_to(received.url, model.url, OTEL_BSP_MAX_EXPORT_BATCH_SIZE="4")
        run_program(
            "two_tools.py",
            "What is in this directory?",
            "How many words does it have?",
            directory=Path(directory),
            environment=environment,
        )
        return list(received.requests)


def main() -> None:
    """Write the recording."""
    lines = [json.dumps({"request": base64.b64encode(request).decode()}) for request in record()]
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RECORDING
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
