"""
Clusters of similar messages: what they have in common, with `<*>` for what differs.

    Task 17 failed after 3.2 s    }
    Task 18 failed after 0.4 s    }   Task <*> failed after <*> s    2

Words with digits differ as a rule, so they become `<*>` at once. Messages of as many words that
begin alike and have most words in common are one cluster, as in Drain (He et al., 2017). Time and
memory have bounds: a message has `WORDS` words at most, and there are `CLUSTERS` clusters; what
comes later is counted as `<*>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

ANY: Final = "<*>"
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


class _Cluster:
    """The words of the messages so far."""

    __slots__ = ("count", "example", "words")

    def __init__(self, words: Sequence[str], example: str) -> None:
        self.words = list(words)
        self.example = example
        self.count = 0

    def is_like(self, words: Sequence[str]) -> bool:
        """Return whether enough words are the same ones."""
        same = sum(a == b != ANY for a, b in zip(self.words, words, strict=True))
        fixed = sum(word != ANY for word in words) or 1
        return same >= 2 and same / fixed >= ALIKE

    def merge(self, words: Sequence[str]) -> None:
        """Keep the words that these have, too."""
        self.words = [a if a == b else ANY for a, b in zip(self.words, words, strict=True)]


def cluster(messages: Iterable[str], most: int = 50) -> list[MessagePattern]:
    """Return the most frequent patterns of messages, the most frequent first."""
    known: dict[str, _Cluster] = {}
    groups: dict[tuple[int, str], list[_Cluster]] = {}
    rest = _Cluster([ANY], "")
    number = 0
    for message in messages:
        form = _RUN.sub(_variable, message[:LONGEST])
        found = known.get(form)
        if found is None:
            words = form.split()
            words = [*words[:WORDS], "…"] if len(words) > WORDS else words
            group = groups.setdefault((len(words), words[0] if words else ""), [])
            found = _find(group, words)
            if found is None and number < CLUSTERS:
                found = _Cluster(words, message)
                group.append(found)
                number += 1
            found = found or rest
            rest.example = rest.example or message
            if len(known) < FORMS:
                known[form] = found
        found.count += 1
    every = [each for group in groups.values() for each in group]
    every += [rest] if rest.count else []
    every.sort(key=lambda each: (-each.count, each.words))
    return [
        MessagePattern(" ".join(each.words), each.count, each.example)
        for each in islice(every, most)
    ]


def _variable(run: re.Match[str]) -> str:
    return ANY if _DIGIT.search(run[0]) else run[0]


def _find(group: Sequence[_Cluster], words: Sequence[str]) -> _Cluster | None:
    for each in islice(group, COMPARED):
        if each.words == words:
            return each
        if len(words) >= SHORT and each.is_like(words):
            each.merge(words)
            return each
    return None
