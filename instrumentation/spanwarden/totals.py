"""What the model calls of a run add up to, for the span of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spanwarden import names
from spanwarden.request import int64


@dataclass(slots=True, eq=False)
class Totals:
    """Token counts, and how the last call ended; how many calls of models and of tools there were."""

    input_tokens: int = 0
    output_tokens: int = 0
    finish_reasons: tuple[str, ...] = ()
    inference_calls: int = 0
    tool_calls: int = 0

    def add(self, attributes: Mapping[str, Any]) -> None:
        """Add the attributes of one model call."""
        self.input_tokens += attributes.get(names.USAGE_INPUT, 0)
        self.output_tokens += attributes.get(names.USAGE_OUTPUT, 0)
        self.finish_reasons = attributes.get(names.RESPONSE_FINISH_REASONS, ())

    def attributes(self) -> dict[str, Any]:
        """The sums as attributes."""
        sums: dict[str, Any] = {
            names.USAGE_INPUT: int64(self.input_tokens),
            names.USAGE_OUTPUT: int64(self.output_tokens),
        }
        if self.finish_reasons:
            sums[names.RESPONSE_FINISH_REASONS] = self.finish_reasons
        return sums
