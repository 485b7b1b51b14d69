"""The rules: one file each, one function each, listed here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from spanwarden_processor.rules.deception import deception
from spanwarden_processor.rules.inbound_injection_followed import inbound_injection_followed
from spanwarden_processor.rules.restriction_circumvention import restriction_circumvention
from spanwarden_processor.rules.reward_hacking import reward_hacking
from spanwarden_processor.rules.safeguard_tampering import safeguard_tampering
from spanwarden_processor.rules.shared_history_rewritten import shared_history_rewritten
from spanwarden_processor.rules.unauthorized_data_transfer import unauthorized_data_transfer
from spanwarden_processor.rules.wide_destruction import wide_destruction
from spanwarden_processor.session import Session
from spanwarden_processor.types import Finding, Step, StepKind

Rule: TypeAlias = Callable[[Session, Step], Iterator[Finding]]
"""Called once for each new step of its kinds, after the session has admitted it. What it needs of the past it reads
from the session's indexes, so that its cost does not depend on the length of the session."""

VERSION: Final = "1"
"""Of all rules together: raised whenever one of them may answer differently."""

RULES: Final[Mapping[StepKind, tuple[Rule, ...]]] = {
    "tool_call": (
        restriction_circumvention,
        unauthorized_data_transfer,
        wide_destruction,
        shared_history_rewritten,
        safeguard_tampering,
        reward_hacking,
        inbound_injection_followed,
    ),
    "message": (deception,),
}
"""Every rule, under each kind of step that may complete what it looks for: it is asked about no other."""
