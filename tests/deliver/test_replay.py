"""Dead letters that are sent again: stored once, or a dead letter still."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shipper.deliver.batch import Batch
from shipper.deliver.deadletters import DeadLetters
from shipper.deliver.replay import BLOCK_BYTES, Replay, Replayed
from shipper.errors import OutputUnavailable
from shipper.events import Rejection
from tests.deliver.delivering import (
    NOW,
    RUN,
    ScriptedOutput,
    add_letters,
    document_of,
    events_of,
    simple_batch,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from shipper.deliver.batch import QueuedBlock


class Asked(ScriptedOutput):
    """An output that answers for single positions with `answer`."""

    def __init__(self, answer: Callable[[int], Sequence[int]]) -> None:
        super().__init__()
        self._answer = answer

    def stored_positions(self, _stream: str, first: int, _last: int, /) -> Sequence[int]:
        return self._answer(first)


def buried(path: Path, *seqs: int) -> DeadLetters:
    letters = DeadLetters(path / "letters")
    add_letters(letters, simple_batch(*seqs), [Rejection(i, "no") for i in range(len(seqs))], NOW)
    return letters


def ids(letters: DeadLetters) -> list[str]:
    return [line.letter.id for line in letters.read()]


def take(replay: Replay) -> list[QueuedBlock[Any]]:
    """Take and ack blocks to the end."""
    blocks = []
    while (block := replay.next_block()) is not None:
        assert replay.next_block() is None  # one at a time
        replay.ack(block)
        blocks.append(block)
    assert replay.is_over
    return blocks


def test_a_letter_goes_out_as_it_was(tmp_path: Path) -> None:
    """A letter is sent with its own id, document, time and dataset, then taken out."""
    letters = buried(tmp_path, 1, 2)
    replay = Replay(letters, None, ScriptedOutput())

    (block,) = take(replay)

    assert block.content == replace(events_of(1, 2), origins={})
    assert ids(letters) == [f"{RUN}-1", f"{RUN}-2"]  # until the end
    assert replay.finish() == Replayed(stored=2)
    assert ids(letters) == []


def test_a_letter_is_redacted_by_the_config_of_now(tmp_path: Path) -> None:
    """A letter from before redaction was set up does not bring its secrets to the output."""
    letters = buried(tmp_path, 1)
    without = lambda events: replace(events, docs=[b"{}" for _ in events.docs])  # noqa: E731

    (block,) = take(Replay(letters, None, ScriptedOutput(), without))

    assert block.content.events().docs == [b"{}"]


def test_only_those_that_were_named(tmp_path: Path) -> None:
    """Of several letters, those that were named go; a second line of one is no second event."""
    letters = buried(tmp_path, 1, 2, 3)
    buried(tmp_path, 2)
    replay = Replay(letters, {f"{RUN}-2"}, ScriptedOutput())

    (block,) = take(replay)

    assert block.content.ids == [f"{RUN}-2"]
    assert replay.finish() == Replayed(stored=1)
    assert ids(letters) == [f"{RUN}-1", f"{RUN}-3"]


def test_what_is_stored_already_is_not_sent(tmp_path: Path) -> None:
    """After a crash between the ack and the end, what the output holds is only taken out."""
    letters = buried(tmp_path, 1, 2)
    replay = Replay(letters, None, Asked(lambda first: [first] if first == 1 else []))

    (block,) = take(replay)

    assert block.content.ids == [f"{RUN}-2"]
    assert replay.finish() == Replayed(stored=1, before=1)
    assert ids(letters) == []


def test_what_is_refused_again_stays(tmp_path: Path) -> None:
    """A letter that is buried anew while it is replayed stays, with the new reason alone."""
    letters = buried(tmp_path, 1, 2)
    replay = Replay(letters, None, ScriptedOutput())
    block = replay.next_block()
    assert block is not None
    add_letters(letters, Batch((block.content,)), [Rejection(1, "still no")], NOW + 1)
    replay.ack(block)
    assert replay.next_block() is None

    assert replay.finish() == Replayed(stored=1, refused=1)
    assert [(line.letter.id, line.letter.reason) for line in letters.read()] == [
        (f"{RUN}-2", "still no")
    ]


def test_what_cannot_be_told_is_asked_again(tmp_path: Path) -> None:
    """While the output cannot tell what it holds, no letter is passed over."""
    letters = buried(tmp_path, 1, 2, 3)
    down = [2]

    def answer(first: int) -> Sequence[int]:
        if first in down:
            down.remove(first)
            raise OutputUnavailable("down")
        return ()

    replay = Replay(letters, None, Asked(answer))
    with pytest.raises(OutputUnavailable):
        replay.next_block()

    assert [id_ for block in take(replay) for id_ in block.content.ids] == ids(letters)


def test_many_letters_go_in_blocks(tmp_path: Path) -> None:
    """However many letters there are, a block is no larger than a block, and each goes once."""
    count = 3 * BLOCK_BYTES // len(document_of(1))
    letters = buried(tmp_path, *range(count))
    replay = Replay(letters, None, ScriptedOutput())

    blocks = take(replay)

    assert len(blocks) > 2
    assert [id_ for block in blocks for id_ in block.content.ids] == ids(letters)
    assert replay.finish() == Replayed(stored=count)
