"""
Clusters of similar messages: what they have in common, with `<*>` for what differs.

    Task 17 failed after 3.2 s    }
    Task 18 failed after 0.4 s    }   Task <*> failed after <*> s    2

Words with digits differ as a rule, so they become `<*>` at once. Messages of as many words that
begin alike and have most words in common are one cluster, as in Drain (He et al., 2017). Time and
memory have bounds: a message has `WORDS` words at most, and there are `CLUSTERS` clusters; what
comes later is counted as `<*>`.

A pattern is new if no message of the time before is like it. Where a bound keeps it from being
compared, it is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from shipper.store.context import quoted
from shipper.text import safe

ANY: Final = "<*>"
MORE: Final = "…"  # in place of the words of a long message
WORD_CHARS: Final = 60  # of a word that a store is asked for; longer ones may have no index
MOST_WORDS: Final = 15  # of a question
WORDS: Final = 60
LONGEST: Final = 1000  # characters of a message that are looked at
CLUSTERS: Final = 5000
COMPARED: Final = 100  # clusters that a message is compared with
ALIKE: Final = 0.6  # share of words in common
SHORT: Final = 4  # messages of fewer words have to be equal
FORMS: Final = 50_000  # messages whose cluster is remembered

_RUN: Final = re.compile(r"[\w.\-]+")  # one class of characters: no backtracking
_DIGIT: Final = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class MessagePattern:
    """What messages have in common, how many there are, and the first of them."""

    template: str
    count: int
    example: str
    is_new: bool = False


class _Cluster:
    """The words of the messages so far."""

    __slots__ = ("count", "example", "first", "is_known", "words")

    def __init__(self, words: Sequence[str], example: str) -> None:
        self.words = list(words)
        self.first = tuple(words)
        self.example = example
        self.count = 0
        self.is_known = False  # from the time before

    def merge(self, words: Sequence[str]) -> None:
        """Keep the words that these have, too."""
        self.words = [a if a == b else ANY for a, b in zip(self.words, words, strict=True)]


class _Clusters:
    """The clusters of the messages so far."""

    def __init__(self) -> None:
        self._known: dict[str, _Cluster] = {}
        self._groups: dict[tuple[int, str], list[_Cluster]] = {}
        self._rest = _Cluster([ANY], "")
        self._number = 0

    def count(self, message: str) -> None:
        """Count a message to the cluster that it is like."""
        form = _RUN.sub(_variable, message[:LONGEST])
        found = self._known.get(form)
        if found is None:
            words = _words_of(form)
            group = self._groups.setdefault(_key_of(words), [])
            found = _find(group, words)
            if found is None and self._number < CLUSTERS:
                found = _Cluster(words, message)
                group.append(found)
                self._number += 1
            found = found or self._rest
            self._rest.example = self._rest.example or message
            if len(self._known) < FORMS:
                self._known[form] = found
        found.count += 1

    def know(self, messages: Iterable[str]) -> None:
        """Note which clusters messages of the time before are like; they are not counted."""
        self._rest.is_known = True
        for group in self._groups.values():
            for each in group[COMPARED:]:
                each.is_known = True  # nothing is compared with them
        forms = {_RUN.sub(_variable, message[:LONGEST]) for message in messages}
        for form in forms:
            if form in self._known:
                self._known[form].is_known = True
            words = _words_of(form)
            for each in islice(self._groups.get(_key_of(words), ()), COMPARED):
                each.is_known = each.is_known or _fits(each, words)

    def every(self) -> list[_Cluster]:
        """Return the clusters, the most frequent first."""
        every = [each for group in self._groups.values() for each in group]
        every += [self._rest] if self._rest.count else []
        return sorted(every, key=lambda each: (-each.count, each.words))


def cluster(
    messages: Iterable[str], most: int = 50, before: Iterable[str] | None = None
) -> list[MessagePattern]:
    """
    Return the most frequent patterns of messages, the most frequent first.

    With the messages of the time `before`, those that none of them is like are new.
    """
    clusters = _Clusters()
    for message in messages:
        clusters.count(message)
    if before is not None:
        clusters.know(before)
    return [
        MessagePattern(
            " ".join(each.words), each.count, each.example, before is not None and not each.is_known
        )
        for each in islice(clusters.every(), most)
    ]


def query_of(pattern: MessagePattern) -> str:
    """
    Return a query that finds every record whose message may be like a pattern, and others.

    It is empty where no words are sure. Messages that are alike begin alike and have at least two
    words in common; short ones have all.
    """
    if len(pattern.example) > LONGEST:  # its last word may be cut
        return ""
    words = _words_of(_RUN.sub(_variable, pattern.example))
    fixed = [word for word in words if word != ANY]
    asked = [f"message:{quoted(word)}" for word in fixed if _can_be_asked(word)]
    if len(words) < SHORT:
        return " AND ".join(asked)
    others = asked
    begin = ""
    if _can_be_asked(words[0]):
        begin, others = asked[0], asked[1:]
    is_sure = len(asked) == len(fixed) and len(others) <= MOST_WORDS
    either = f"({' OR '.join(others)})" if is_sure and others else ""
    return " AND ".join(filter(None, (begin, either)))


def _can_be_asked(word: str) -> bool:
    """Return whether each store finds the messages with a word by it."""
    is_plain = word == safe(word) and ANY not in word and word != MORE
    return is_plain and len(word) <= WORD_CHARS and any(map(str.isalnum, word))


def _words_of(form: str) -> list[str]:
    words = form.split()
    return [*words[:WORDS], MORE] if len(words) > WORDS else words


def _key_of(words: Sequence[str]) -> tuple[int, str]:
    return len(words), words[0] if words else ""


def _variable(run: re.Match[str]) -> str:
    return ANY if _DIGIT.search(run[0]) else run[0]


def _find(group: Sequence[_Cluster], words: Sequence[str]) -> _Cluster | None:
    for each in islice(group, COMPARED):
        if each.words == words:
            return each
        if len(words) >= SHORT and _are_alike(each.words, words):
            each.merge(words)
            return each
    return None


def _are_alike(pattern: Sequence[str], words: Sequence[str]) -> bool:
    """Return whether enough words are the same ones."""
    same = sum(a == b != ANY for a, b in zip(pattern, words, strict=True))
    fixed = sum(word != ANY for word in words) or 1
    return same >= 2 and same / fixed >= ALIKE


def _fits(found: _Cluster, words: Sequence[str]) -> bool:
    """Return whether a message could have been counted to a cluster, now or at its beginning."""
    if found.words == words:
        return True
    return len(words) >= SHORT and (
        _are_alike(found.words, words) or _are_alike(found.first, words)
    )
