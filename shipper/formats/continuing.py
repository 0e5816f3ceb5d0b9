"""Which lines of a text go on with the one before, if nothing else is known of its format."""

from __future__ import annotations

# What is indented or blank, and the lines of a traceback of Python or Java that are not.
CONTINUING = (
    r"[ \t]"
    r"|\r?\Z"
    r"|Traceback \(most recent call last\):"
    r"|During handling of the above exception, another exception occurred:"
    r"|The above exception was the direct cause of the following exception:"
    r"|Caused by: "
    r"|(?:[A-Za-z_][\w$]*\.)*[A-Za-z_]\w*(?:Error|Exception|Warning|Interrupt|Exit|Group)(?::|\r?\Z)"
)
