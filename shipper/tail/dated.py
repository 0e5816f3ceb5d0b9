"""
Whether lines bear the time at which they were written.

Where the identity of a file is broken (another inode, the same bytes again), only the bytes of a
line can say which one it is. A line that bears a time is the same line when it is met again. One
that has none may as well be another that says the same, and then counts as another: where in
doubt, a line is stored twice rather than never.
"""

from __future__ import annotations

import re

_FORMS = (
    rb"\d{4}[-/.]\d\d[-/.]\d\d[T :]+\d\d:\d\d",  # ISO 8601, nginx's error log
    rb"\d\d[-/.]\d\d[-/.]\d{4}[T ,]+\d\d:\d\d",
    rb"\d{8}[T ]\d\d:?\d\d",
    rb"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d",  # access logs
    rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d",  # syslog, asctime
    rb"^\W?(?:[A-Z]\d{4} )?\d\d:\d\d:\d\d",  # a clock at the beginning, also as glog has it
    rb"(?<![\d.])1\d{9}(?:\d{3}|\d{6}|\d{9})?(?!\d)",  # since 1970
)
_TIME = re.compile(b"|".join(_FORMS), re.MULTILINE)


def bears_time(data: bytes) -> bool:
    """Return whether any of these bytes say when they were written."""
    return _TIME.search(data) is not None
