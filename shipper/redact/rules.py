"""What is done about each kind of secret: mask it, hash it with a key, or remove it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import re2

from shipper.redact.detectors import AROUND, DETECTORS, NAME_OF_SECRET, Detector

MASK, HASH, REMOVE, NONE = "mask", "hash", "remove", "none"
ACTIONS: Final = (MASK, HASH, REMOVE, NONE)
ALL: Final = "all"
IP: Final = "ip"
PASSWORD: Final = "password"  # noqa: S105 -- the name of a detector
HASH_BYTES: Final = 8
MOST_PLACES: Final = 20_000  # in a record; 1 MiB of addresses has more
NAMES_REMEMBERED: Final = 4096
LONGEST_NAME: Final = 256  # characters of one that is remembered

# What stands for a secret already: with its scheme, so that a header is not masked twice.
_MARK: Final = re.compile(rb"(?:[A-Za-z-]+[ \t]+)?\[(?:redacted:(\w+)|(\w+)#[0-9a-f]{16})\]")


class BudgetSpentError(Exception):
    """A record has more places that may be secrets than are looked at closely."""


class SearchBudget:
    """How many places of one record are looked at closely: no line may cost minutes."""

    def __init__(self) -> None:
        self._left = MOST_PLACES

    def spend(self) -> None:
        """Look at one more; raise BudgetSpentError if that is too many."""
        self._left -= 1
        if self._left < 0:
            raise BudgetSpentError


@dataclass(frozen=True, slots=True)
class RedactRule:
    """A detector with its compiled pattern and what is done about what it finds."""

    detector: Detector
    regex: Any  # of RE2, which has no types
    action: str
    key: bytes

    def whole(self) -> bytes:
        """Return what stands in place of a text that is not searched to its end."""
        return b"" if self.action == REMOVE else f"[redacted:{self.detector.name}]".encode()

    def replacement(self, secret: bytes) -> bytes:
        """Return what stands in place of a secret."""
        if self.action == REMOVE:
            return b""
        name = self.detector.name
        if self.action == HASH:
            normal = self.detector.normal(secret)
            digest = blake2b(
                normal, key=self.key, person=name.encode()[:16], digest_size=HASH_BYTES
            )
            return f"[{name}#{digest.hexdigest()}]".encode()
        if self.detector.masked is not None:
            return self.detector.masked(secret)
        return f"[redacted:{name}]".encode()

    def is_done(self, secret: bytes) -> bool:
        """Return whether this stands for a secret already."""
        if self.detector.masked is not None and self.action == MASK:
            return self.detector.masked(secret) == secret
        mark = _MARK.fullmatch(secret)
        return mark is not None and (mark[1] or mark[2]).decode() in (
            *DETECTORS,
            self.detector.name,
        )

    def spans(self, text: bytes, budget: SearchBudget) -> Iterable[tuple[int, int]]:
        """
        Yield where secrets are in a text, in their order.

        Raises:
            BudgetSpentError: the record has too many places that may be secrets.

        """
        at, length = 0, len(text)
        while at <= length:
            match = self.regex.search(text, at)
            if match is None:
                return
            budget.spend()
            groups = range(1, self.regex.groups + 1)
            start, end = next(
                (match.span(group) for group in groups if match.start(group) >= 0), match.span()
            )
            last = 0
            around = text[max(start - AROUND, 0) : start], text[end : end + AROUND]
            for first, behind in self.detector.spans(text[start:end], *around):
                last = start + behind
                if behind > first and not self.is_done(text[start + first : last]):
                    yield start + first, last
            step = self.detector.step
            at = max(last or (match.start() + step if step else match.end()), at + 1)


class RedactRules:
    """
    The rules of a config, in the order in which they are applied.

    `actions` maps detectors, or `all`, to what is done; `patterns` are those of the user. Secrets
    under a key that ends in one of `names` are of the detector `password`.
    """

    def __init__(
        self,
        actions: Mapping[str, str],
        patterns: Mapping[str, str],
        *,
        names: Sequence[str] = (),
        keep: Iterable[str] = (),
        key: bytes = b"",
    ) -> None:
        usual = actions.get(ALL, NONE)
        detectors = [
            *(Detector(name, pattern, pattern, "") for name, pattern in patterns.items()),
            *DETECTORS.values(),
        ]
        chosen = [
            (each, actions.get(each.name, MASK if each.name in patterns else usual))
            for each in detectors
        ]
        self.rules = [
            RedactRule(each, re2.compile(each.pattern), action, key)
            for each, action in chosen
            if action != NONE
        ]
        self.hints = [rule.detector.hint for rule in self.rules if rule.detector.name in DETECTORS]
        self.hints += [f'"{re2.escape(name)}"' for name in names]
        # Anchors and escapes of JSON make the pattern of a user mean something else in its bytes.
        self.reads_all = bool(patterns)
        self.keep = frozenset(keep)
        self.one_by_one = bool(patterns)
        self.set = re2.Set.SearchSet()
        for rule in self.rules:
            self.set.Add(rule.detector.pattern)
        self.set.Compile()
        passwords = [rule for rule in self.rules if rule.detector.name == PASSWORD]
        self.of_names = (passwords or [RedactRule(DETECTORS[PASSWORD], None, MASK, key)])[0]
        self.known_names = _KnownNames(frozenset(names), usual=bool(passwords))


class _KnownNames(dict[str, bool]):
    """Key → whether what stands under it is a secret by its name."""

    def __init__(self, names: frozenset[str], *, usual: bool) -> None:
        super().__init__()
        self._names = names
        self._usual = usual

    def __missing__(self, key: str) -> bool:
        found = self._usual and NAME_OF_SECRET.search(key) is not None
        found = found or key in self._names
        if len(key) > LONGEST_NAME:
            return found
        if len(self) >= NAMES_REMEMBERED:
            self.clear()
        return self.setdefault(key, found)
