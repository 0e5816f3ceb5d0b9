"""Every option of every file that users write, with values that nobody wants: a fault, no crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shipper.alerts.backtest.cases import CaseFile
from shipper.alerts.rules.rule import Rule
from shipper.alerts.settings import AlertSettings
from shipper.config.main import Config
from shipper.config.options import (
    Fault,
    InvalidOptionsError,
    ListOf,
    MapOf,
    OneOf,
    OptionKind,
    Section,
    options_of,
    read_options,
)

ODD = (
    *("text", "-5", "1e400", "9" * 5000, "9" * 5000 + "d", "1e-320", ".nan", "1:30", "0x10", "1_0"),
    *("null", "''", "[]", "[[[]]]", "{}", "{a: 1}", "&a [*a]", "&a {x: *a}", "!!python/object:x y"),
    *('"\\0"', "'" + "a" * 10_000 + "'", "'${HOME}'", "'[['", "'http://[::1'", "'٣s'"),
)
HALF = '"\\ud800"'
Wrap = Callable[[str], str]


def places(kind: OptionKind, wrap: Wrap, seen: frozenset[Any] = frozenset()) -> Iterator[Wrap]:
    """Yield what makes a file of a value at each place of this kind."""
    yield wrap
    if isinstance(kind, Section) and kind.type not in seen:
        for found in options_of(kind.type):
            yield from places(found.kind, _in(wrap, f"{{{found.key}: ", "}"), seen | {kind.type})
    elif isinstance(kind, ListOf):
        yield from places(kind.item, _in(wrap, "[", "]"), seen)
    elif isinstance(kind, MapOf):
        yield _in(wrap, "{", ": 1}")
        yield from places(kind.item, _in(wrap, "{a: ", "}"), seen)
    elif isinstance(kind, OneOf):
        for name, section in kind.sections.items():
            yield from places(section, _in(wrap, f"{{{name}: ", "}"), seen)


def _in(wrap: Wrap, before: str, behind: str) -> Wrap:
    return lambda value: wrap(before + value + behind)


def faults_of(text: str, section: type[Any]) -> tuple[Fault, ...]:
    try:
        read_options(text, section)
    except InvalidOptionsError as error:
        return error.faults
    return ()


@pytest.mark.parametrize("section", [Config, AlertSettings, Rule, CaseFile])
@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
def test_odd_values_are_faults(section: type[Any]) -> None:
    """
    Each has a place and what to do, and quotes no more of a value than can be read.

    The values take turns: a quarter of them at a place.
    """
    count = 0
    for turn, wrap in enumerate(places(Section(section), str)):
        for value in (HALF, *ODD[turn % 4 :: 4]):
            for fault in faults_of(wrap(value), section):
                count += 1
                assert fault.remedy
                assert len(fault.fault) < 600
    assert count > 100
