"""
Takes secrets out of the events of a block, before anything else is done with them.

It stands behind enrichment: what it returns is what is counted, queued, sent, stored, written to
the dead letters. The identity of a record stays: time, run, seq, offset, and what the config says
of host and dataset. The bytes of a block are searched at once for hints of secrets, in linear time;
only records with a hint are decoded, and every text in them is looked at: values whatever their
nesting, keys, whole numbers. They are always encoded anew, as a line may have a key twice, and a
decoder shows only one of its values.

A record on which this code fails is withheld: its place and time are stored, its content is not.
"""

from __future__ import annotations

import logging
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, Final

import msgspec
import re2

from shipper.decoding import UNDECODABLE
from shipper.redact.detectors import ESCAPES, IP6_HINT, is_address
from shipper.redact.rules import IP, MASK, REMOVE, RedactRule, RedactRules
from shipper.redact.texts import Texts
from shipper.splice import (
    ABSENT,
    LINE_BEGIN,
    NO_NUMBER,
    AnyEvents,
    Spliced,
    SplicedTail,
)
from shipper.times import iso

log = logging.getLogger(__name__)

CLIENT: Final = b'"client_ip":"'
CLIENTS_REMEMBERED: Final = 4096
LONGEST_CLIENT: Final = 64  # characters of one that is remembered
_OCTETS: Final = re.compile(rb"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?:\.[0-9]{1,3})*")
WITHHELD: Final = "withheld"  # the tag
WITHHELD_TEXT: Final = "(withheld: redaction failed on this record)"


class RedactedFields(msgspec.Struct, gc=False):
    """The fields of a redacted line that an output reads; see `splice.RecordFields`."""

    message: str = ABSENT
    exc_info: str = ABSENT
    request_id: str = ABSENT
    execution_time_ms: float = NO_NUMBER
    duration_ms: float = NO_NUMBER


def _either(hints: Sequence[str]) -> Any:
    return re2.compile("|".join([*(f"(?:{hint})" for hint in hints), ESCAPES]))


def _has_kept_address(doc: bytes) -> bool:
    """Return whether what stays as it is, and is the same in a block, looks like an address."""
    try:
        fields = msgspec.json.decode(doc)
        kept = {key: fields.get(key) for key in ("host", "service", "event", "data_stream")}
        return _OCTETS.search(msgspec.json.encode(kept)) is not None
    except (*UNDECODABLE, AttributeError):
        return True


class _Clients(dict[bytes, bytes | None]):
    """The address of a client → what stands for it, None if it is no plain address."""

    def __init__(self, rule: RedactRule) -> None:
        super().__init__()
        self._rule = rule

    def __missing__(self, text: bytes) -> bytes | None:
        found = self._rule.replacement(text) if is_address(text) else None
        if len(text) > LONGEST_CLIENT:
            return found
        if len(self) >= CLIENTS_REMEMBERED:
            self.clear()
        return self.setdefault(text, found)


class Redactor:
    """Applies rules to events; `found` counts (detector, field); used by one thread."""

    def __init__(self, rules: RedactRules, *, by_field: bool = False) -> None:
        """With `by_field`, `found` names the field of every address, too, which takes longer."""
        self._rules = rules
        self._hints = _either(rules.hints)
        ip = next((rule for rule in rules.rules if rule.detector.name == IP), None)
        self._clients = self._without_ip4 = None
        if ip is not None and not rules.keep and not rules.known_names["client_ip"]:
            self._clients = _Clients(ip) if ip.action != REMOVE else None
            if ip.action == MASK and not by_field:
                others = [IP6_HINT if hint == ip.detector.hint else hint for hint in rules.hints]
                self._without_ip4 = _either(others)
        self.found: Counter[tuple[str, str]] = Counter()
        self.withheld = 0

    def redact(self, events: AnyEvents) -> AnyEvents:
        """Return the events without secrets; raises nothing."""
        if isinstance(events, Spliced):
            return self._spliced(events)
        docs: Sequence[bytes] = events.docs
        hints = self._hints
        if self._without_ip4 is not None and docs and not _has_kept_address(docs[0]):
            docs, hints = self._with_masked_ip4(docs), self._without_ip4
        chosen, found = self._hinted(docs, hints)
        if not chosen and found is events.docs:
            return events
        docs = list(found)
        for index in chosen:
            docs[index] = self._document(events, index, docs[index])
        return replace(events.events(), docs=docs)

    def _with_masked_ip4(self, docs: Sequence[bytes]) -> Sequence[bytes]:
        """
        Mask IPv4 addresses where they stand in the bytes of documents.

        Nearly every line of other programs' access logs has some, in its fields and as a whole. No
        number of JSON has three dots, so they are in texts; and the mask changes nothing but the
        digits behind the last dot, so that no escape before them is harmed.
        """
        data = b"\n".join(docs)
        replaced = 0

        def mask(found: re.Match[bytes]) -> bytes:
            nonlocal replaced
            octets = found[0].split(b".")  # the first is before the dot, and not part of this
            begins = data[found.start() - 1 : found.start()].isdigit()
            for last in range(3 if begins else 4, len(octets), 4):
                if octets[last] != b"0":
                    octets[last] = b"0"
                    replaced += 1
            return b".".join(octets)

        new = _OCTETS.sub(mask, data)
        self.found[IP, "(any)"] += replaced
        return new.split(b"\n") if replaced else docs

    def _hinted(self, items: Sequence[bytes], hints: Any) -> tuple[list[int], Sequence[bytes]]:
        """Return the indexes of what may hold a secret, and the items with clients replaced."""
        if self._rules.reads_all:
            return [*range(len(items))], items
        data = b"\n".join(items)
        if self._clients is not None and CLIENT in data:
            new, data = self._without_clients(data, self._clients)
            items = new.split(b"\n")
        found = hints.search(data)
        if found is None:
            return [], items
        ends = [*accumulate(len(item) + 1 for item in data.split(b"\n"))]
        chosen: list[int] = []
        while found is not None:
            index = bisect_right(ends, found.start())
            chosen.append(index)
            found = hints.search(data, ends[index])
        return chosen, items

    def _without_clients(self, data: bytes, clients: _Clients) -> tuple[bytes, bytes]:
        """
        Replace the addresses of clients, which nearly every line of an access log has.

        Return the data with what stands for them, and with nothing in place of them, to search it
        for other secrets. A quote within a text of JSON is escaped, so this is a key and no text.
        """
        first, *pieces = data.split(CLIENT)
        new, rest = [first], [first]
        replaced = 0
        for piece in pieces:
            end = piece.find(b'"')
            mark = clients[piece[:end]]
            if mark is None:  # no plain address: it is looked at closely
                new.append(piece)
                rest.append(piece)
            else:
                new.append(mark + piece[end:])
                rest.append(piece[end:])
                replaced += mark != piece[:end]
        self.found["ip", "client_ip"] += replaced
        return CLIENT.join(new), CLIENT.join(rest)

    def _spliced(self, events: Spliced) -> Spliced:
        tails = self._tails(events.tails)
        chosen, found = self._hinted(events.bodies, self._hints)
        if not chosen and found is events.bodies and tails is events.tails:
            return events
        bodies, records = list(found), list(events.records)
        for index in chosen:
            bodies[index], fields = self._body(events, index, bodies[index])
            if records:
                records[index] = fields
        return replace(events, bodies=bodies, tails=tails, records=records)

    def _tails(self, tails: list[SplicedTail]) -> list[SplicedTail]:
        """Return the tails, of which a block has a few; they hold the path of the file."""
        each = {id(tail): tail for tail in tails}
        distinct = [*each.values()]
        chosen, _ = self._hinted([tail.data for tail in distinct], self._hints)
        if not chosen:
            return tails
        new = {id(distinct[index]): self._tail(distinct[index]) for index in chosen}
        return [new.get(id(tail), tail) for tail in tails]

    def _tail(self, tail: SplicedTail) -> SplicedTail:
        try:
            fields = self._fields(msgspec.json.decode(b"{" + tail.data[1:] + b"0}}"))
            return SplicedTail(tail.dataset, b"," + msgspec.json.encode(fields)[1 : -len(b"0}}")])
        except Exception as error:  # noqa: BLE001 -- whatever it is, the path may not pass
            self._failed(error)
            context = msgspec.json.decode(b"{" + tail.data[1:] + b"0}}")
            context["log"] = {"file": {"path": WITHHELD_TEXT}, "offset": 0}
            return SplicedTail(tail.dataset, b"," + msgspec.json.encode(context)[1 : -len(b"0}}")])

    def _body(self, events: Spliced, index: int, body: bytes) -> tuple[bytes, RedactedFields]:
        try:
            fields = self._fields(msgspec.json.decode(LINE_BEGIN + body + b"}"))
            line = msgspec.json.encode(fields)
            record = msgspec.convert(fields, RedactedFields)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the line may not pass
            self._failed(error)
            when = body[:24].decode()
            origin = {"run": events.runs[index], "seq": events.seqs[index]}
            line = msgspec.json.encode({"timestamp": when, **origin, "message": WITHHELD_TEXT})
            record = RedactedFields(message=WITHHELD_TEXT)
        return line[len(LINE_BEGIN) : -1], record

    def _document(self, events: AnyEvents, index: int, document: bytes) -> bytes:
        try:
            return msgspec.json.encode(self._fields(msgspec.json.decode(document)))
        except Exception as error:  # noqa: BLE001 -- whatever it is, the document may not pass
            self._failed(error)
            return msgspec.json.encode(
                {
                    "@timestamp": iso(events.times[index]),
                    "message": WITHHELD_TEXT,
                    "tags": [WITHHELD],
                    "event": {"dataset": events.datasets[index], "kind": "event"},
                }
            )

    def _failed(self, error: Exception) -> None:
        self.withheld += 1
        # Neither the message of the error nor its traceback: both may quote the record.
        log.error("a bug in redaction (%s); a record is stored without its content", type(error))

    def _fields(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Take the secrets out of the fields of a record, and return these."""
        self.found.update(Texts(self._rules, fields).apply())
        return fields
