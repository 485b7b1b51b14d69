"""The rules: one file each, one function each, listed here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from spanwarden_processor.rules.restriction_circumvention import restriction_circumvention
from spanwarden_processor.rules.reward_hacking import reward_hacking
from spanwarden_processor.rules.unauthorized_data_transfer import unauthorized_data_transfer
from spanwarden_processor.session import Session
from spanwarden_processor.types import Finding, Step

Rule: TypeAlias = Callable[[Session, Step], Iterator[Finding]]
"""Called once for each new step, after the session has admitted it. What it needs of the past it reads from the
session's indexes, so that its cost does not depend on the length of the session."""

VERSION: Final = "1"
"""Of all rules together: raised whenever one of them may answer differently."""

RULES: Final[tuple[Rule, ...]] = (
    restriction_circumvention,
    unauthorized_data_transfer,
    reward_hacking,
)
"""Every rule, in the order of the taxonomy."""
