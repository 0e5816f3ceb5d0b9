"""
The texts of one record: collected, searched together, and put back where they were.

They are joined by a separator that none of them has, so that a detector goes through all of them in
one call. If a match goes across it, they are searched one by one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from itertools import accumulate
from typing import Any, Final, NamedTuple

from shipper.fields import FIELDS, FieldKind
from shipper.redact.rules import BudgetSpentError, RedactRule, RedactRules, SearchBudget

SEPARATORS: Final = "\x1e\x1d\x1c\x02\x03\x04\x05\x06"
LEAST_NUMBER: Final = 10**11  # a smaller number is no card
# What stays as it is: the identity of a record, and what does not come from its line.
KEPT: Final = frozenset(
    ("@timestamp", "timestamp", "run", "seq", "host", "service", "event", "data_stream")
)
KEPT_OF_LOG: Final = frozenset(("offset", "stream"))
NUMBERS: Final = frozenset(
    name for name, field in FIELDS.items() if field.kind in (FieldKind.INTEGER, FieldKind.FLOAT)
)

Found = Counter[tuple[str, str]]  # (detector, field) → number of secrets


class _Slot(NamedTuple):
    """Where a text stands: under a key or index of a container, or as a key itself."""

    within: Any
    key: Any
    path: str
    is_key: bool = False


class Texts:
    """The texts of one record, which is changed in its place."""

    def __init__(self, rules: RedactRules, fields: dict[str, Any]) -> None:
        self.found: Found = Counter()
        self._rules = rules
        self._texts: list[str] = []
        self._slots: list[_Slot] = []
        self._has_secret_keys = False
        self._budget = SearchBudget()
        self._cut = b""
        known = rules.known_names
        for key, value in [*fields.items()]:
            if key in KEPT or key in rules.keep:
                continue
            is_secret = known[key]
            if type(value) is str and not is_secret:
                self._texts.append(value)
                self._slots.append(_Slot(fields, key, key))
            elif key == "log" and isinstance(value, dict):
                self._add_object(value, key, KEPT_OF_LOG, is_secret=False)
            else:
                self._add(fields, key, value, key, is_secret=is_secret)

    def _add(self, within: Any, key: Any, value: Any, path: str, *, is_secret: bool) -> None:
        if isinstance(value, dict):
            self._add_object(value, path, frozenset(), is_secret=is_secret)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self._add(value, index, item, path, is_secret=is_secret)
        elif isinstance(value, str) or _is_number(value, 0 if is_secret else LEAST_NUMBER):
            slot = _Slot(within, key, path)
            rule, text = self._rules.of_names, str(value)
            if is_secret and text and not rule.is_done(text.encode(errors="replace")):
                self.found[rule.detector.name, path] += 1
                _put(slot, rule.replacement(text.encode(errors="replace")).decode())
            else:
                self._texts.append(text)
                self._slots.append(slot)

    def _add_object(
        self, value: dict[str, Any], path: str, kept: frozenset[str], *, is_secret: bool
    ) -> None:
        known, keep = self._rules.known_names, self._rules.keep
        for key, inner in [*value.items()]:
            below = f"{path}.{key}"
            if key in kept or below in keep:
                continue
            self._add(value, key, inner, below, is_secret=is_secret or known[key])
            self._texts.append(key)
            self._slots.append(_Slot(value, key, path, is_key=True))

    def apply(self) -> Found:
        """Replace the secrets; return how many there were."""
        plain = "".join(self._texts)
        cut = next((mark for mark in SEPARATORS if mark not in plain), "")
        if not cut:  # a text that has them all loses one
            cut = SEPARATORS[0]
            self._texts = [text.replace(cut, " ") for text in self._texts]
        self._cut = cut.encode()
        together = new = cut.join(self._texts).encode(errors="replace")
        rules = self._rules
        numbers = range(len(rules.rules)) if rules.one_by_one else rules.set.Match(together) or ()
        for number in numbers:
            new = self._applied(rules.rules[number], new)
        if new != together:
            self._put_back(new.decode(errors="replace").split(cut))
        if not self._has_secret_keys:
            return self.found
        # The path of what stands below such a key has the secret in it.
        tops: Found = Counter()
        for (detector, path), count in self.found.items():
            tops[detector, path.partition(".")[0]] += count
        return tops

    def _applied(self, rule: RedactRule, together: bytes) -> bytes:
        if not self._rules.one_by_one:
            try:
                spans = [*rule.spans(together, self._budget)]
            except BudgetSpentError:
                return self._alone(rule, together)
            if not spans:
                return together
            if not any(self._cut in together[start:end] for start, end in spans):
                ends = [*accumulate(len(text) + 1 for text in together.split(self._cut))]
                for start, _ in spans:
                    self._count(rule, bisect_right(ends, start))
                return _replaced(together, spans, rule)
        return self._alone(rule, together)

    def _alone(self, rule: RedactRule, together: bytes) -> bytes:
        """
        Apply a rule text by text.

        A text that has places that may be secrets, when too many were looked at, is masked as a
        whole.
        """
        texts = together.split(self._cut)
        for index, text in enumerate(texts):
            try:
                spans = [*rule.spans(text, self._budget)]
            except BudgetSpentError:
                self._count(rule, index)
                texts[index] = rule.whole()
                continue
            for _ in spans:
                self._count(rule, index)
            texts[index] = _replaced(text, spans, rule)
        return self._cut.join(texts)

    def _count(self, rule: RedactRule, index: int) -> None:
        slot = self._slots[index]
        self.found[rule.detector.name, slot.path] += 1
        self._has_secret_keys = self._has_secret_keys or slot.is_key

    def _put_back(self, texts: list[str]) -> None:
        renamed, alike = [], 1
        for slot, old, new in zip(self._slots, self._texts, texts, strict=True):
            if old == new:
                continue
            if slot.is_key:
                renamed.append((slot, new))
            else:
                _put(slot, new)
        for slot, new in renamed:
            if slot.key in slot.within:
                # Keys that are masked alike are still as many.
                name = new
                while name in slot.within:
                    alike += 1
                    name = f"{new}#{alike}"
                slot.within[name] = slot.within.pop(slot.key)


def _put(slot: _Slot, text: str) -> None:
    """Write a text; remove what is empty now, and a number that its field cannot have as text."""
    if isinstance(slot.within, dict) and (not text or slot.path in NUMBERS):
        del slot.within[slot.key]
    else:
        slot.within[slot.key] = text


def _replaced(text: bytes, spans: list[tuple[int, int]], rule: RedactRule) -> bytes:
    parts = []
    at = 0
    for start, end in spans:
        parts += [text[at:start], rule.replacement(text[start:end])]
        at = end
    return b"".join([*parts, text[at:]])


def _is_number(value: Any, least: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= least
