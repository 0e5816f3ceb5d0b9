"""
The colours of the guide, which has three words for what we have four severities for.

    critical               critical  #FF0000
    high, medium           warning   #FFA500
    low                    info      #0000FF
    resolved, acknowledged info      #0000FF, whatever the severity
"""

from __future__ import annotations

from typing import Final

from shipper.alerts.incident import Change, Transition
from shipper.alerts.severity import Severity

COLORS: Final = {"critical": "#FF0000", "warning": "#FFA500", "info": "#0000FF"}

WORD_OF: Final = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "warning",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
}


def word_of(transition: Transition) -> str:
    """Return the guide's word for how bad a transition is."""
    if transition.change in (Change.RESOLVED, Change.ACKNOWLEDGED):
        return "info"
    return WORD_OF[transition.incident.severity]


def color_of(transition: Transition) -> str:
    """Return the guide's colour of a transition."""
    return COLORS[word_of(transition)]
