"""Which lines of a text go on with the one before, if nothing else is known of its format."""

from __future__ import annotations

# What is indented or blank, and the lines of a traceback that are not: of Python, Java, Go, Node,
# Ruby.
CONTINUING = (
    r"[ \t]"
    r"|\r?\Z"
    r"|Traceback \(most recent call last\):"
    r"|During handling of the above exception, another exception occurred:"
    r"|The above exception was the direct cause of the following exception:"
    r"|Caused by: "
    r"|goroutine [0-9]+ \[|\[signal |created by \S+|exit status [0-9]"
    r"|(?=[^.( ]*+\.)[\w./-]++(?:\(\*?\w++(?:\[\.\.\.\])?\)[\w.]++)?(?:\[\.\.\.\])?"
    r"\([0-9a-fx{}., ?]*+\)\r?\Z"
    r"|[}\])]++[,;]?\r?\Z|Node\.js v[0-9]"
    r"|[^ \t:]{1,1000}:[0-9]{1,9}:in [`'][^`']{1,300}'\r?\Z"
    r"|(?:[A-Za-z_][\w$]*\.)*[A-Za-z_]\w*(?:Error|Exception|Warning|Interrupt|Exit|Group)(?::|\r?\Z)"
)
