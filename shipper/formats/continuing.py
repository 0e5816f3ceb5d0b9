"""
Which lines of a text go on with the one before, if nothing else is known of its format.

A line that names an error goes on only where it is awaited: behind the first line of an event that
speaks of a failure, or in a trace that has named none yet. Else it is an uncaught error, an event
of its own. That depends on the lines of the event alone.
"""

from __future__ import annotations

import re
from typing import AnyStr, Generic

# What is indented or blank, and the lines of a traceback that are not: of Python, Java, Go, Node,
# Ruby.
CONTINUING = (
    r"[ \t]"
    r"|\r?\Z"
    r"|(?P<trace>Traceback \(most recent call last\):"
    r"|During handling of the above exception, another exception occurred:"
    r"|The above exception was the direct cause of the following exception:)"
    r"|Caused by: "
    r"|goroutine [0-9]+ \[|\[signal |created by \S+|exit status [0-9]"
    r"|(?=[^.( ]*+\.)[\w./-]++(?:\(\*?\w++(?:\[\.\.\.\])?\)[\w.]++)?(?:\[\.\.\.\])?"
    r"\([0-9a-fx{}., ?]*+\)\r?\Z"
    r"|[}\])]++[,;]?\r?\Z|Node\.js v[0-9]"
    r"|[^ \t:]{1,1000}:[0-9]{1,9}:in [`'][^`']{1,300}'\r?\Z"
    r"|(?P<error>(?:[A-Za-z_][\w$]*\.)*[A-Za-z_]\w*"
    r"(?:Error|Exception|Warning|Interrupt|Exit|Group)(?::|\r?\Z))"
)
FAILING = (
    r"(?i:error|\berr\b|exception|traceback|fatal|crit|panic|severe|alert|emerg|warn|fail|caught)"
    r"|unhandled|\bE\b"
)


class Continuation(Generic[AnyStr]):
    """Says of each line whether the event goes on with it."""

    __slots__ = ("_awaits_error", "_begin", "_continues", "_failing")

    def __init__(
        self, continues: re.Pattern[AnyStr], failing: re.Pattern[AnyStr], begin: AnyStr
    ) -> None:
        self._continues: re.Pattern[AnyStr] = continues
        self._failing: re.Pattern[AnyStr] = failing
        self._begin: AnyStr = begin
        self._awaits_error: bool | None = None  # only looked for where it matters

    def begins(self, line: AnyStr) -> None:
        """Begin another event with this line."""
        self._begin = line
        self._awaits_error = None

    def goes_on(self, line: AnyStr) -> bool:
        """Return whether a line belongs to the event; if so, it is its last one now."""
        match = self._continues.match(line)
        if match is None:
            return False
        kind = match.lastgroup
        if kind == "trace":
            self._awaits_error = True
        elif self._awaits_error is None:
            begin = self._continues.match(self._begin)
            names_error = begin is not None and begin.lastgroup == "error"
            is_trace = kind != "error" or self._failing.search(self._begin) is not None
            self._awaits_error = is_trace and not names_error
        if kind == "error":
            awaited, self._awaits_error = self._awaits_error, False
            return bool(awaited)
        return True
