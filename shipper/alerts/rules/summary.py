"""
The sentence of a rule, filled in with what was found.

Only the rule file is a template. What it is filled with may come from a log line: it is put in as
text, never read as a template again, and the sandbox lets a template reach nothing but these names.
A template that is wrong, or knows a name that does not exist, is a fault of the rule file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from shipper.config.options import InvalidValueError, Scalar

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

    from shipper.alerts.verdict import Verdict

NAMES: Final = (
    "value",
    "low",
    "high",
    "threshold",
    "events",
    "group",
    "reason",
    "since",
    "until",
)
MOST: Final = 500  # characters that a sentence can have
_FAILURES: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
_NOTHING: Final = "none"
_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Summary:
    """A template, as it was written."""

    text: str


def fill(summary: Summary, verdict: Verdict) -> str:
    """Return the sentence about a verdict, in one line; its reason where the template fails."""
    from jinja2 import TemplateError  # noqa: PLC0415 - only who reads rules pays

    values = {name: getattr(verdict, name) for name in NAMES[:5]}
    values |= {
        "group": dict(verdict.group),
        "reason": verdict.reason,
        "since": _moment(verdict.window.start),
        "until": _moment(verdict.window.end),
    }
    try:
        filled = _template(summary.text).render(values)
    except (
        TemplateError,
        *_FAILURES,
    ):  # of a value that is not there, most likely: people are notified all the same
        filled = verdict.reason
    return " ".join(filled.split())[:MOST]


def _parse(text: str) -> Summary:
    from jinja2 import TemplateError, meta  # noqa: PLC0415 - only who reads rules pays

    try:
        tree = _environment().parse(text)
        _template(text)
    except TemplateError as error:
        raise InvalidValueError(
            f"is not a template: {error}", "write {{ value }} for a value"
        ) from None
    unknown = sorted(meta.find_undeclared_variables(tree) - set(NAMES))
    if unknown:
        raise InvalidValueError(f"knows no {unknown[0]}", f"use one of: {', '.join(NAMES)}")
    return Summary(text)


@cache
def _environment() -> SandboxedEnvironment:
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    environment = ImmutableSandboxedEnvironment(autoescape=False)  # alerters escape
    environment.globals.clear()
    environment.filters |= {"percent": _percent, "number": _number, "ms": _milliseconds}
    return environment


@cache
def _template(text: str) -> Template:
    return _environment().from_string(text)


def _percent(share: Any) -> str:
    return f"{100 * share:.3g} %" if isinstance(share, (int, float)) else _NOTHING


def _number(value: Any) -> str:
    if not isinstance(value, (int, float)):
        return _NOTHING
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"


def _milliseconds(value: Any) -> str:
    if not isinstance(value, (int, float)):
        return _NOTHING
    return f"{value / 1000:.3g} s" if value >= 10_000 else f"{value:,.0f} ms"


def _moment(time: int) -> str:
    form = "%H:%M" if time % _MINUTE_MS == 0 else "%H:%M:%S"
    return datetime.fromtimestamp(time / 1000, UTC).strftime(f"%Y-%m-%d {form} UTC")


TEMPLATE: Final = Scalar("a Jinja template of one sentence", _parse)
