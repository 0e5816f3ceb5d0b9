"""Dead letters that are sent again: stored once, or a dead letter still."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shipper.deliver.batch import batch_of
from shipper.deliver.deadletters import DeadLetters
from shipper.deliver.replay import PARCEL_BYTES, Replay, Replayed
from shipper.errors import OutputUnavailable
from shipper.events import Rejection
from tests.deliver.delivering import NOW, RUN, TIME_MS, simple_batch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shipper.deliver.batch import QueuedBlock


def nothing(_stream: str, _first: int, _last: int) -> Sequence[int]:
    return ()


def buried(path: Path, *seqs: int) -> DeadLetters:
    letters = DeadLetters(path / "letters")
    letters.bury(simple_batch(*seqs), [Rejection(i, "no") for i in range(len(seqs))], NOW)
    return letters


def ids(letters: DeadLetters) -> list[str]:
    return [line.letter.id for line in letters.read()]


def take(replay: Replay) -> list[QueuedBlock]:
    """Take and ack parcels to the end."""
    parcels = []
    while (parcel := replay.next_parcel()) is not None:
        assert replay.next_parcel() is None  # one at a time
        replay.ack(parcel)
        parcels.append(parcel)
    assert replay.is_over
    return parcels


def test_a_letter_goes_out_as_it_was(tmp_path: Path) -> None:
    """A letter is sent with its own id, document, time and dataset, then taken out."""
    letters = buried(tmp_path, 1, 2)
    replay = Replay(letters, None, nothing)

    (parcel,) = take(replay)

    sent, batch = batch_of(0, [parcel]), simple_batch(1, 2)
    assert (sent.ids, sent.docs, sent.times) == (batch.ids, batch.docs, [TIME_MS] * 2)
    assert sent.datasets == batch.datasets
    assert ids(letters) == [f"{RUN}-1", f"{RUN}-2"]  # until the end
    assert replay.finish() == Replayed(stored=2)
    assert ids(letters) == []


def test_only_those_that_were_named(tmp_path: Path) -> None:
    """Of several letters, those that were named go; a second line of one is no second event."""
    letters = buried(tmp_path, 1, 2, 3)
    buried(tmp_path, 2)
    replay = Replay(letters, {f"{RUN}-2"}, nothing)

    (parcel,) = take(replay)

    assert parcel.events.ids == [f"{RUN}-2"]
    assert replay.finish() == Replayed(stored=1)
    assert ids(letters) == [f"{RUN}-1", f"{RUN}-3"]


def test_what_is_stored_already_is_not_sent(tmp_path: Path) -> None:
    """After a crash between the ack and the end, what the output holds is only taken out."""
    letters = buried(tmp_path, 1, 2)
    replay = Replay(letters, None, lambda _stream, first, _last: [first] if first == 1 else [])

    (parcel,) = take(replay)

    assert parcel.events.ids == [f"{RUN}-2"]
    assert replay.finish() == Replayed(stored=1, before=1)
    assert ids(letters) == []


def test_what_is_refused_again_stays(tmp_path: Path) -> None:
    """A letter that is buried anew while it is replayed stays, with the new reason alone."""
    letters = buried(tmp_path, 1, 2)
    replay = Replay(letters, None, nothing)
    parcel = replay.next_parcel()
    assert parcel is not None
    letters.bury(batch_of(0, [parcel]), [Rejection(1, "still no")], NOW + 1)
    replay.ack(parcel)
    assert replay.next_parcel() is None

    assert replay.finish() == Replayed(stored=1, refused=1)
    assert [(line.letter.id, line.letter.reason) for line in letters.read()] == [
        (f"{RUN}-2", "still no")
    ]


def test_what_cannot_be_told_is_asked_again(tmp_path: Path) -> None:
    """While the output cannot tell what it holds, no letter is passed over."""
    letters = buried(tmp_path, 1, 2, 3)
    down = [2]

    def holds(_stream: str, first: int, _last: int) -> Sequence[int]:
        if first in down:
            down.remove(first)
            raise OutputUnavailable("down")
        return ()

    replay = Replay(letters, None, holds)
    with pytest.raises(OutputUnavailable):
        replay.next_parcel()

    assert [id_ for parcel in take(replay) for id_ in parcel.events.ids] == ids(letters)


def test_many_letters_go_in_parcels(tmp_path: Path) -> None:
    """However many letters there are, a parcel is no larger than a block, and each goes once."""
    count = 3 * PARCEL_BYTES // len(simple_batch(1).docs[0])
    letters = buried(tmp_path, *range(count))
    replay = Replay(letters, None, nothing)

    parcels = take(replay)

    assert len(parcels) > 2
    assert [id_ for parcel in parcels for id_ in parcel.events.ids] == ids(letters)
    assert replay.finish() == Replayed(stored=count)
