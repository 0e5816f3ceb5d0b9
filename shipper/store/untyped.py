"""
Values under `extra`, whose type may differ from record to record.

Elasticsearch keeps such a value as text only, so it cannot distinguish the text `"5"` from the
number 5. All stores therefore treat a text that is spelled like a number or boolean as one: `"5"`
is 5, `"true"` is true, but `"007"` and `"1.50"`, which no program writes for a number, stay texts.
Wildcards match the text that a value is written as.
"""

from __future__ import annotations

import re
from decimal import Decimal

from shipper.store.query.tree import Range
from shipper.store.query.values import number_of, wildcard_steps

Value = str | int | float | bool


def in_extra(field: str) -> bool:
    """Return whether a field is `extra` or a key of it."""
    return field == "extra" or field.startswith("extra.")


def read(text: str) -> Value:
    """Return the value that a text stands for."""
    if text in ("true", "false"):
        return text == "true"
    number = number_of(text)
    if number is None or not -(2**63) <= number < 2**63 or text not in spellings(number):
        return text
    return int(number) if number == int(number) else number


def write(value: Value) -> str:
    """Return the text that a value is written as."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value == int(value) and abs(value) < 2**63:
        return str(int(value))
    return str(value)


def spellings(number: float) -> set[str]:
    """Return the texts that JSON writers use for a number: 5 and 5.0, 1e-7 and 1.0E-7."""
    if number == 0:
        return {"0", "0.0", "-0.0", "0.0E0", "-0.0E0"}
    text = repr(float(number))
    found = {text}
    if number == int(number):
        found.add(str(int(number)))
    mantissa, e, power = text.partition("e")
    if e:
        found.add(f"{mantissa}e{int(power)}")
    sign, digits, exponent = Decimal(text).normalize().as_tuple()
    head, tail = digits[0], "".join(map(str, digits[1:])) or "0"
    found.add(f"{'-' * sign}{head}.{tail}E{len(digits) - 1 + int(exponent)}")
    return found


def in_range(value: Value, bounds: Range) -> bool:
    """Return whether a value is a number between the bounds."""
    if isinstance(value, (str, bool)):
        return False
    above = (
        bounds.lower is None
        or value > bounds.lower
        or (bounds.lower_included and value == bounds.lower)
    )
    below = (
        bounds.upper is None
        or value < bounds.upper
        or (bounds.upper_included and value == bounds.upper)
    )
    return above and below


def wildcard_regex(pattern: str) -> re.Pattern[str]:
    """Return a wildcard pattern as a regular expression that backtracks into no `*`."""
    chunks = [""]
    for step in wildcard_steps(pattern):
        if step is None:
            chunks.append("")
        else:
            chunks[-1] += re.escape(step) or "."
    first, *others = chunks
    middle = "".join(f"(?>.*?{chunk})" for chunk in others[:-1])
    return re.compile(f"{first}{middle}.*{others[-1]}" if others else first, re.DOTALL)
