"""Figures that were published for the controls on the labelled data sets, to which ours are compared."""

from __future__ import annotations

from typing import Final

STRUCTURE: Final = {
    "bloom.dev": 0.57,
    "oas.dev": 0.56,
    "agentdojo.dev": 0.52,
    "toolemu.dev": 0.85,
    "rhevals.dev": 0.57,
    "rjudge.diagnostic": 0.96,
    "asse_security.diagnostic": 0.82,
}
"""AUC of the number of steps of each type, the type of the last step, and lengths."""
KEYWORDS: Final = {
    "bloom.dev": 0.51,
    "oas.dev": 0.56,
    "agentdojo.dev": 0.63,
    "toolemu.dev": 0.48,
    "rhevals.dev": 0.62,
    "rjudge.diagnostic": 0.45,
    "asse_security.diagnostic": 0.54,
}
"""AUC of a list of words; the list itself was not published."""
