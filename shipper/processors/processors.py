"""
Applies the processors of the config to the events of a block, in their order.

It stands between enrichment and redaction. What is dropped is named in the events that stay: under
`origins`, so that the numbers of dropped records are saved by the same transaction as positions
(`registry.receipts.DROPPED`), and the audit takes none of them for lost or missing. The identity of
a record stays: time, run, seq, offset, host, dataset.

A processor that fails on a record leaves it as it was, and the record is tagged `unprocessed`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec

from shipper.config.processors import STEPS, StepOptions
from shipper.events import DROPPED
from shipper.processors.steps import Step, StepResult, add_tag
from shipper.splice import AnyEvents, Spliced

log = logging.getLogger(__name__)

UNPROCESSED: Final = "unprocessed"


class ProcessedEvents(NamedTuple):
    """The events that stay, and the ids of those that were dropped, both in their order."""

    events: AnyEvents
    dropped: Sequence[str]


class Processors:
    """The processors of a config; raises ConfigError for one that cannot work."""

    def __init__(self, options: Sequence[StepOptions]) -> None:
        names = {section.type: name for name, section in STEPS.items()}
        self.steps = [
            Step(f"processors[{number}].{names[type(each)]}", each)
            for number, each in enumerate(options)
        ]

    def apply(self, events: AnyEvents) -> ProcessedEvents:
        """Return the events after all processors; raises nothing."""
        docs: dict[int, bytes] = {}
        dropped: list[int] = []
        for index, (origin, doc) in enumerate(zip(events.ids, events.docs, strict=True)):
            new = self._processed(doc, origin)
            if new is None:
                dropped.append(index)
            elif new is not doc:
                docs[index] = new
        if not docs and not dropped:
            return ProcessedEvents(events, ())
        ids = [events.ids[index] for index in dropped]
        if docs:
            new_docs = [docs.get(index, doc) for index, doc in enumerate(events.docs)]
            events = replace(events.events(), docs=new_docs)
        return ProcessedEvents(_without(events, dropped, ids) if dropped else events, ids)

    def _processed(self, doc: bytes, origin: str) -> bytes | None:
        """Return the document after all steps, the same one if none changed it; None: dropped."""
        try:
            document: dict[str, Any] = msgspec.json.decode(doc)
            is_changed = False
            for step in self.steps:
                result = step.apply(document, origin)
                if result is StepResult.DROPPED:
                    return None
                if result is StepResult.FAILED:
                    add_tag(document, UNPROCESSED)
                is_changed = is_changed or result is not StepResult.NOTHING
            return msgspec.json.encode(document) if is_changed else doc
        except Exception as error:  # noqa: BLE001 -- the record is worth more than the step
            log.error("a bug in processors (%s); a record stays as it was", type(error))  # noqa: TRY400
            return doc


def _without(events: AnyEvents, dropped: Sequence[int], ids: Sequence[str]) -> AnyEvents:
    """Return the events that stay; their origins name those of the dropped as such."""
    gone = frozenset(dropped)
    whole = events if isinstance(events, Spliced) else events.events()
    left = whole.part([index for index in range(len(events)) if index not in gone])
    left.origins = _origins_of(events.origins, ids)
    return left


def _origins_of(origins: dict[str, list[int]], ids: Sequence[str]) -> dict[str, list[int]]:
    """Return the numbers of the records that stay, and of those with these ids."""
    numbers: dict[str, Counter[int]] = {}
    for each in ids:
        run, _, digits = each.rpartition("-")
        if run in origins:
            numbers.setdefault(run, Counter())[int(digits)] += 1
    found: dict[str, list[int]] = {}
    for run, every in origins.items():
        dropped = numbers.get(run, Counter())
        if dropped:
            found[f"{run}{DROPPED}"] = sorted(dropped)
        stay = []
        for number in every:
            if dropped[number]:
                dropped[number] -= 1
            else:
                stay.append(number)
        if stay:
            found[run] = stay
    return found
