"""
How sure a share is: the interval that holds the true one with 95 % confidence.

It is Wilson's with the correction for continuity (Newcombe 1998). Without the correction, two
failures of fifty requests would already "prove" more than 1 %, one window in eleven by chance.
"""

from __future__ import annotations

from math import sqrt
from typing import Final

Z: Final = 1.959964  # two-sided, 95 %


def share_between(part: int, whole: int) -> tuple[float, float]:
    """Return the bounds of a share of which `part` of `whole` were seen; `whole` is not 0."""
    return _lower(part, whole), 1 - _lower(whole - part, whole)


def _lower(part: int, whole: int) -> float:
    if part == 0:
        return 0.0
    share = part / whole
    spread = Z * Z - 1 / whole + 4 * part * (1 - share) + 4 * share - 2
    low = (2 * part + Z * Z - 1 - Z * sqrt(max(spread, 0.0))) / (2 * (whole + Z * Z))
    return max(low, 0.0)
