"""
Cases of processors: records, and what has to become of each.

    - name: health checks are dropped
      record: {path: /health, status_code: 200}
      dropped: true
    - name: the payload is taken apart
      record: {message: x, extra: {payload: 'user=7 plan="big one"'}}
      has: {extra.parsed.user: "7", extra.parsed.plan: big one}
      lacks: [extra.payload]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from shipper.errors import ConfigError
from shipper.events import Events
from shipper.fields import resolve
from shipper.files import read_regular
from shipper.processors.match import values_at
from shipper.splice import AnyEvents
from shipper.times import iso

MAX_BYTES: Final = 4 << 20
TIME: Final = 1_770_301_845_123
_REMEDY: Final = "docs/processors.md has the form of cases"

Treat = Callable[[AnyEvents], tuple[AnyEvents, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """A case, and what of it is not as it should be."""

    name: str
    faults: tuple[str, ...]


class ProcessorCase(msgspec.Struct, forbid_unknown_fields=True):
    """One case as it is written."""

    name: str
    record: dict[str, Any]
    dropped: bool = False
    has: dict[str, Any] = {}
    lacks: list[str] = []


def run_cases(path: Path, treat: Treat) -> list[CaseOutcome]:
    """Run the cases of a file; raise ConfigError if it has none that can be run."""
    try:
        written = yaml.safe_load(read_regular(path, MAX_BYTES, follow=True))
        cases = msgspec.convert(written, list[ProcessorCase])
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", _REMEDY) from error
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}", _REMEDY) from error
    if not cases:
        raise ConfigError(f"{path}: has no cases", _REMEDY)
    return [CaseOutcome(each.name, tuple(_faults(each, treat))) for each in cases]


def _faults(case: ProcessorCase, treat: Treat) -> Iterator[str]:
    document = {"@timestamp": iso(TIME), **case.record}
    events = Events(["case-0"], [msgspec.json.encode(document)], [TIME], ["orchestrator.app"])
    left, dropped = treat(events)
    if bool(dropped) != case.dropped:
        yield "it is dropped" if dropped else "it is not dropped"
        return
    if dropped:
        return
    found = msgspec.json.decode(left.docs[0])
    for name, wanted in case.has.items():
        values = [*values_at(found, resolve(name)[0])]
        if wanted not in (values, *values):
            yield f"{name} is {values[0]!r}, not {wanted!r}" if values else f"{name} is missing"
    for name in case.lacks:
        if [*values_at(found, resolve(name)[0])]:
            yield f"{name} is there"
