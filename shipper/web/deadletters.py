"""
The page of dead letters: what the output of this machine's shipper refused, and why.

They are only read here; what the form does is a task (acts.py). The file may be long: so many of
its lines are read, and of each document a part is shown.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from shipper.deliver.deadletters import DeadLetters
from shipper.text import safe
from shipper.web.zones import shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MOST_READ: Final = 100_000
MOST_SHOWN: Final = 100
MOST_CHARACTERS: Final = 4000
MOST_ID: Final = 100


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A dead letter."""

    id: str
    at: str
    dataset: str
    reason: str
    document: str
    can_choose: bool  # its id can be typed, and so sent in a form


@dataclass(frozen=True, slots=True)
class LettersPage:
    """The last dead letters that were read, newest first, and how many were read."""

    rows: Sequence[LetterRow]
    count: int
    is_all: bool


def letters_page(path: Path | None) -> LettersPage:
    """
    Return the dead letters of a file; none where there is no file.

    Raises:
        DataFolderError: the file can't be read.
    """
    last: deque[LetterRow] = deque(maxlen=MOST_SHOWN)
    count = 0
    lines = DeadLetters(path).read() if path is not None else iter(())
    for line in islice(lines, MOST_READ):
        letter = line.letter
        count += 1
        last.append(
            LetterRow(
                safe(letter.id[:MOST_ID]),
                shown(letter.at_ms) if letter.at_ms else safe(letter.at[:40]),
                safe(letter.dataset[:100]),
                safe(letter.reason[:400]),
                safe(bytes(letter.document)[:MOST_CHARACTERS].decode(errors="replace")),
                letter.id == safe(letter.id[:MOST_ID]),
            )
        )
    return LettersPage(list(last)[::-1], count, next(lines, None) is None)
