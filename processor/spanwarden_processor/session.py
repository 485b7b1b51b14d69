"""Steps in, indexes out: what rules need to know of a session's past, bounded, at a cost that does not grow with it."""

from __future__ import annotations

from collections import deque
from typing import Final

from spanwarden_processor.types import Step

RECENT_STEPS: Final = 64
"""Steps kept whole: what the agent thought and saw just before it acted."""


class Session:
    """The ordered, deduplicated steps of one agent's work."""

    def __init__(self, session_id: str, service: str) -> None:
        """Start an empty session. `service` is the name under which the agent reports itself."""
        self.session_id = session_id
        self.service = service
        self.steps_admitted = 0
        self.evicted = False
        """True once an index had to forget something that a rule might have needed."""
        self.recent: deque[Step] = deque(maxlen=RECENT_STEPS)

    def admit(self, step: Step) -> Step:
        """Number a new step from 1, bring the indexes up to date with it, and hand it back."""
        self.steps_admitted += 1
        admitted = step._replace(number=self.steps_admitted)
        self.recent.append(admitted)
        return admitted
