"""Rules as they would be with another value: one for `--set`, several for `--sweep`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from shipper.alerts.rules.rule import Rule
from shipper.config.options import InvalidOptionsError, InvalidValueError, with_option
from shipper.errors import ConfigError

STEPS: Final = 10
_RANGE: Final = re.compile(
    r"(?P<low>-?[\d.]+) ?(?P<unit>%|[a-z]*)\.\.(?P<high>-?[\d.]+) ?(?P=unit)"
)
_WAYS: Final = "use KEY=A..B with one unit, such as above=0.5%..5%, or KEY=A,B,C"


def changed(rule: Rule, settings: Iterable[tuple[str, str]]) -> Rule:
    """
    Return the rule as if its file had these values.

    Raises:
        ConfigError: it can't have one of them.
    """
    for key, text in settings:
        try:
            rule = with_option(rule, key, text)
        except InvalidOptionsError as error:
            found = "\n".join(f"  {fault}" for fault in error.faults)
            raise ConfigError(f"cannot set {key}={text} in {rule.name}:\n{found}") from None
    return rule


def values_of(text: str) -> list[str]:
    """
    Return the values of `A..B` (ten of them) or `A,B,C`.

    Raises:
        InvalidValueError: it has an empty value, or is not a range.
    """
    if ".." not in text:
        values = [value.strip() for value in text.split(",")]
        if not all(values):
            raise InvalidValueError(f'"{text}" has an empty value', _WAYS)
        return values
    found = _RANGE.fullmatch(text.strip())
    try:
        low, high = (float(found[name]) for name in ("low", "high")) if found else (0.0, 0.0)
    except ValueError:
        found = None
    if found is None:
        raise InvalidValueError(f'"{text}" is not a range', _WAYS)
    return list(dict.fromkeys(f"{value:.10g}{found['unit']}" for value in _between(low, high)))


def _between(low: float, high: float) -> Iterator[float]:
    """Yield evenly spread values, whole ones between whole ones."""
    is_whole = low == int(low) and high == int(high)
    steps = STEPS - 1
    if is_whole and abs(high - low) < steps:
        steps = max(int(abs(high - low)), 1)
    for number in range(steps + 1):
        value = low + (high - low) * number / steps
        yield round(value) if is_whole else value
