"""What the tests of redaction share: rules, records made by hand, and secrets of every kind."""

from __future__ import annotations

import json
from typing import Any

from shipper.events import Events
from shipper.redact.redactor import Redactor
from shipper.redact.rules import RedactRules

TIME = "2026-02-05T14:30:45.123Z"
TIME_MS = 1_770_301_845_123
STREAM = "0123456789abcdef0123"


def redactor(**options: Any) -> Redactor:
    """Return a redactor that masks everything, unless the options say otherwise."""
    actions = options.pop("actions", {"all": "mask"})
    by_field = options.pop("by_field", False)
    rules = RedactRules(actions, options.pop("patterns", {}), **options)
    return Redactor(rules, by_field=by_field)


def events_of(*records: dict[str, Any]) -> Events:
    """Return records as enrichment makes them of foreign lines."""
    docs = [json.dumps({"@timestamp": TIME, **each}, ensure_ascii=False) for each in records]
    return Events(
        [f"{STREAM}-{number}" for number in range(len(docs))],
        [doc.encode() for doc in docs],
        [TIME_MS] * len(docs),
        ["text.log"] * len(docs),
    )


def redacted(record: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Return a record without secrets."""
    (doc,) = redactor(**options).redact(events_of(record)).docs
    found: dict[str, Any] = json.loads(doc)
    return found


def redacted_text(text: str, **options: Any) -> str:
    """Return a message without secrets."""
    return str(redacted({"message": text}, **options).get("message", ""))


def card_of(number: int) -> str:
    """Return a card number of 16 digits with its check digit."""
    digits = f"4{number:014d}"
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 - place % 2)
        total += value - 9 * (value > 9)
    return f"{digits}{-total % 10}"


def iban_of(number: int) -> str:
    """Return a German IBAN with its checksum."""
    account = f"{number:018d}"
    return f"DE{98 - int(f'{account}131400') % 97:02d}{account}"
