"""
Magnitudes: numbers sorted into classes less than 2 % wide, so that percentiles add up.

Counts per class from many parts give the same percentiles as from one. The middle of a class, less
than 1 % from every number in it, represents it. The order is kept: a larger number never has a
smaller magnitude. 0 is the class of zero and of numbers nearer to it than 1e-9.
"""

from __future__ import annotations

import math
import sys
from typing import Final

WIDTH: Final = 1.0198
SMALLEST: Final = 1e-9
_LOG_WIDTH: Final = math.log(WIDTH)
_LARGEST: Final = math.log(sys.float_info.max)
_SHIFT: Final = 1 - math.floor(math.log(SMALLEST) / _LOG_WIDTH)  # makes the smallest class 1


def magnitude(number: float) -> int:
    """Return the class of a number."""
    size = abs(number)
    if size < SMALLEST:
        return 0
    step = math.floor(math.log(size) / _LOG_WIDTH) + _SHIFT
    return step if number > 0 else -step


def middle(step: int) -> float:
    """Return the number in the middle of a class."""
    if step == 0:
        return 0.0
    exponent = (abs(step) - _SHIFT + 0.5) * _LOG_WIDTH
    return math.copysign(math.exp(min(exponent, _LARGEST)), step)
