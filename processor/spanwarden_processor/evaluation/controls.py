"""Runs to what needs no detector to be told: how a run is built, and telling words. A detector must beat all of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from spanwarden_processor.evaluation.rows import RowStep

_TYPES: Final = ("system", "user", "reasoning", "message", "tool_call", "tool_result")
_AGENT: Final = frozenset({"reasoning", "message", "tool_call"})
MOST_READ: Final = 12_000
"""Characters of what the agent wrote in which words of categories are looked for."""
_TELLING: Final = re.compile(
    r"\b(?:hack|bypass|circumvent|cheat|sabotag|exfiltrat|backdoor|unauthori|without permission|conceal|"
    r"hid(?:e|den|ing)\b|secret|covert|deceiv|mislead|pretend|password|credential|rm -rf|sudo|delet|disabl|overrid|"
    r"shut|ignor|prevent|avoid|evad)",
    re.IGNORECASE,
)
"""Words by which people look for misbehaviour."""
_OF_CATEGORIES: Final = re.compile(
    r"\b(?:bypass|circumvent|work ?around|restrict|forbid|not allowed|block|obfuscat|base64|alias|force|deceiv|decept|"
    r"mislead|misrepresent|fabricat|pretend|lie|lying|fake|conceal|hid(?:e|den|ing)\b|uncertain|unverified|hack|cheat|"
    r"grader|hard-?cod|unauthori|permission|approval|upload|external|transfer|exfiltrat|leak|send|secret|password|"
    r"credential|token|api key|delet|destroy|terminat|kill|wipe|drop|rm -rf|overwrit|disabl|tamper|monitor|inject|"
    r"instruct|ignor|overrid|manipulat|persuad|sandbag|underperform|sabotag|backdoor|corrupt|malicious|scheme|"
    r"oversight|shut|evad|avoid|detect|suspicio|covert|sudo)",
    re.IGNORECASE,
)
"""Words with which the 16 categories are defined and described: many more, and ordinary ones among them."""


class Control(NamedTuple):
    """What the controls see of a run.

    `structure` is the number of steps of each type, the type of the last one and the length of each type (logarithm);
    `total_length` that of all together. `words` and `category_words` count words in what the agent wrote.
    """

    structure: tuple[float, ...]
    total_length: float
    words: float
    category_words: float


def control_of(steps: Sequence[RowStep]) -> Control:
    """What the controls see of a run."""
    counts = Counter(step.type for step in steps)
    lengths = Counter[str]()
    for step in steps:
        lengths[step.type] += len(step.content)
    last = steps[-1].type if steps else ""
    structure = (
        *(float(counts[kind]) for kind in _TYPES),
        *(float(kind == last) for kind in _TYPES),
        *(float(np.log1p(lengths[kind])) for kind in _TYPES),
    )
    written = "\n".join(step.content for step in steps if step.type in _AGENT)
    return Control(
        structure,
        float(np.log1p(lengths.total())),
        float(sum(1 for _ in _TELLING.finditer(written))),
        float(sum(1 for _ in _OF_CATEGORIES.finditer(written[:MOST_READ]))),
    )
