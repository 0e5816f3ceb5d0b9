"""Dead letters: on the disk when `add` returns, one a line, and good to be sent again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from shipper.deliver.batch import Batch
from shipper.deliver.deadletters import DeadLetters
from shipper.errors import OutputUnavailable
from shipper.events import Events, Rejection
from tests.deliver.delivering import NOW, TIME_MS, add_letters, document_of, simple_batch

REASONS = [Rejection(2, "too large"), Rejection(0, 'a "quoted"\nreason')]


def test_the_form(tmp_path: Path) -> None:
    """A letter has the id, the dataset, the reason, the time and the document as it was sent."""
    path = tmp_path / "deadletters.ndjson"
    add_letters(DeadLetters(path), simple_batch(5, 6, 7), REASONS, NOW)
    assert [msgspec.json.decode(line) for line in path.read_bytes().splitlines()] == [
        {
            "_id": f"01JKABCDEFGHJKMNPQRSTVWXYZ-{seq}",
            "dataset": "orchestrator.app",
            "reason": reason,
            "at": "2026-02-05T14:30:50.000Z",
            "document": msgspec.json.decode(document_of(seq)),
        }
        for seq, reason in [(7, "too large"), (5, 'a "quoted"\nreason')]
    ]
    assert path.stat().st_mode & 0o777 == 0o600


def test_letters_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When `add` returns, all of the letters were synced to the disk, and the name of the file."""
    path = tmp_path / "letters"
    synced = []

    def fsync(fd: int, real: Callable[[int], None] = os.fsync) -> None:
        real(fd)
        stat = os.fstat(fd)
        is_folder = os.path.samestat(stat, tmp_path.stat())
        assert is_folder or os.path.samestat(stat, path.stat())
        synced.append("folder" if is_folder else stat.st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    letters = DeadLetters(path)
    add_letters(letters, simple_batch(5, 6, 7), REASONS, NOW)
    first = path.stat().st_size
    assert synced == [first, "folder"]
    add_letters(letters, simple_batch(8), [Rejection(0, "no")], NOW)
    assert synced == [first, "folder", path.stat().st_size]
    add_letters(DeadLetters(path), simple_batch(9), [Rejection(0, "no")], NOW)
    assert synced[3:] == [path.stat().st_size, "folder"]


def test_a_letter_can_be_sent_again(tmp_path: Path) -> None:
    """The document in a letter is, byte for byte, the one that was sent."""
    path = tmp_path / "letters"
    document = b'{ "message":"\\u00e9 \\n","seq":1.50e3,"x":18446744073709551616 }'
    batch = Batch((Events(["run-1"], [document], [TIME_MS], ["orchestrator.app"]),))
    add_letters(DeadLetters(path), batch, [Rejection(0, "no")], NOW)

    class Letter(msgspec.Struct):
        id_: str = msgspec.field(name="_id")
        document: msgspec.Raw

    letter = msgspec.json.decode(path.read_bytes(), type=Letter)
    assert (letter.id_, bytes(letter.document)) == ("run-1", document)


def test_letters_are_added(tmp_path: Path) -> None:
    """What was buried before stays, also of another process."""
    path = tmp_path / "letters"
    for _ in range(2):
        letters = DeadLetters(path)
        add_letters(letters, simple_batch(1, 2, 3), REASONS, NOW)
        add_letters(letters, simple_batch(4), [], NOW)
    assert len(path.read_bytes().splitlines()) == 4


@pytest.mark.parametrize("torn", [b'{"_id":"x","docu', b"\0"])
def test_a_torn_line_stays_alone(tmp_path: Path, torn: bytes) -> None:
    """What a crash cut off does not spoil the letter after it."""
    path = tmp_path / "letters"
    path.write_bytes(b"{}\n" + torn)
    add_letters(DeadLetters(path), simple_batch(1, 2, 3), REASONS, NOW)
    lines = path.read_bytes().split(b"\n")
    assert lines[:2] == [b"{}", torn]
    assert [msgspec.json.decode(line)["reason"] for line in lines[2:4]] == [
        reason.reason for reason in REASONS
    ]
    assert lines[4:] == [b""]


def test_a_full_disk() -> None:
    """A disk that is full is a reason to wait, and says what to do."""
    letters = DeadLetters(Path("/dev/full"))
    with pytest.raises(OutputUnavailable, match=r"cannot write /dev/full: No space left.*free"):
        add_letters(letters, simple_batch(1, 2, 3), REASONS, NOW)


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    """A folder that is gone is a reason to wait."""
    letters = DeadLetters(tmp_path / "no" / "letters")
    with pytest.raises(OutputUnavailable, match="No such file"):
        add_letters(letters, simple_batch(1, 2, 3), REASONS, NOW)
