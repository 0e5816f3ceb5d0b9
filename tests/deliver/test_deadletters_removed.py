"""Dead letters are read and taken out while others bury: none is lost, none comes back."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from shipper import crashpoints
from shipper.crashpoints import CrashPoint
from shipper.deliver.deadletters import DeadLetters
from shipper.errors import DataFolderError
from shipper.events import Rejection
from tests.deliver.delivering import NOW, add_letters, document_of, simple_batch

if TYPE_CHECKING:
    from pathlib import Path

REASONS = [Rejection(0, "no"), Rejection(1, "never")]

WRITER = """\
import sys
from pathlib import Path
from shipper.deliver.deadletters import DeadLetters
from shipper.events import Rejection
from tests.deliver.delivering import NOW, add_letters, simple_batch
letters = DeadLetters(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(int(sys.argv[2])):
    add_letters(letters, simple_batch(number), [Rejection(0, "no")], NOW + number)
"""


def ids(letters: DeadLetters) -> list[str]:
    return [line.letter.id.rpartition("-")[2] for line in letters.read()]


def test_letters_are_read_as_they_were_buried(tmp_path: Path) -> None:
    """Each line gives its id, dataset, reason, time and document; what is no letter, nothing."""
    path = tmp_path / "letters"
    letters = DeadLetters(path)
    assert ids(letters) == []
    add_letters(letters, simple_batch(1, 2), REASONS, NOW)
    with path.open("ab") as file:
        file.write(b'{"_id":"x","docu\n\xff\n[]\n{}\n')
    add_letters(letters, simple_batch(3, 4), REASONS[:1], NOW)

    assert ids(letters) == ["1", "2", "3"]
    letter = next(letters.read()).letter
    assert (letter.reason, letter.dataset, letter.at_ms) == ("no", "orchestrator.app", NOW)
    assert bytes(letter.document) == document_of(1)


def test_lines_are_taken_out(tmp_path: Path) -> None:
    """What is named goes, as often as it is named; everything else stays, byte for byte."""
    path = tmp_path / "letters"
    letters = DeadLetters(path)
    add_letters(letters, simple_batch(1, 2), REASONS, NOW)
    add_letters(letters, simple_batch(1, 2), REASONS, NOW)
    first, second, *_ = path.read_bytes().splitlines(keepends=True)
    with path.open("ab") as file:
        file.write(b"torn")
    mark = next(letters.read()).mark

    assert letters.remove([mark]) == 1

    assert path.read_bytes() == second + first + second + b"torn"
    assert letters.remove([mark, mark]) == 1
    assert letters.remove([]) == 0
    assert (path.stat().st_mode & 0o777) == 0o600


def test_nothing_to_take_out(tmp_path: Path) -> None:
    """Where there is no file, nothing is taken out and none is made."""
    assert DeadLetters(tmp_path / "letters").remove([b"x"]) == 0
    assert [*tmp_path.iterdir()] == []


def test_a_running_writer_loses_nothing(tmp_path: Path) -> None:
    """While another process buries letter after letter, taking some out costs no other."""
    path, count = tmp_path / "letters", 400
    letters = DeadLetters(path)
    command = [sys.executable, "-c", WRITER, str(path), str(count)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    removed: list[str] = []
    while writer.poll() is None or len(ids(letters)) > count // 10:
        lines = [*letters.read()][::2]
        letters.remove([line.mark for line in lines])
        removed += [line.letter.id.rpartition("-")[2] for line in lines]
    writer.stdout.close()

    assert writer.returncode == 0
    assert len(removed) == len({*removed})
    assert sorted([*removed, *ids(letters)], key=int) == [str(number) for number in range(count)]


@pytest.mark.parametrize("step", [CrashPoint.LETTERS_REWRITTEN, CrashPoint.LETTERS_REPLACED])
def test_a_crash_while_letters_are_taken_out(
    tmp_path: Path, step: CrashPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before or after the rename, the file is the old or the new one; then all goes on."""
    path = tmp_path / "letters"
    letters = DeadLetters(path)
    add_letters(letters, simple_batch(1, 2), REASONS, NOW)
    mark = next(letters.read()).mark

    def crash(reached: CrashPoint) -> None:
        if reached is step:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(crashpoints, "reached", crash)
        with pytest.raises(KeyboardInterrupt):
            letters.remove([mark])

    assert ids(letters) == (["1", "2"] if step is CrashPoint.LETTERS_REWRITTEN else ["2"])
    letters.remove([mark])
    add_letters(letters, simple_batch(3), REASONS[:1], NOW)
    assert ids(letters) == ["2", "3"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """What cannot be taken out is all still there, and the message says where."""
    path = tmp_path / "letters"
    letters = DeadLetters(path)
    add_letters(letters, simple_batch(1, 2), REASONS, NOW)
    (tmp_path / f"letters.{os.getpid()}.new").mkdir()

    with pytest.raises(DataFolderError, match=r"cannot write .*letters"):
        letters.remove([next(letters.read()).mark])

    assert ids(letters) == ["1", "2"]
