"""The spool: what `write` has returned from is there once; it is bounded, and goes when acked."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from shipper.config.inputs import InputOptions
from shipper.config.intake import StdinOptions
from shipper.errors import DataFolderError
from shipper.fingerprint import HEAD
from shipper.intake.spool import FILE_BYTES, Spool
from shipper.intake.spools import Spools

GO_ON = threading.Event()


def spool_in(folder: Path, *, keep_last: bool = False, file_bytes: int = 4096) -> Spool:
    return Spool(folder, 1 << 20, keep_last=keep_last, file_bytes=file_bytes)


def contents(spool: Spool) -> list[bytes]:
    """Return what the files hold behind their first lines."""
    return [Path(path).read_bytes()[HEAD:] for path in sorted(spool.paths())]


def all_acked(spool: Spool) -> dict[str, int]:
    return {path: os.path.getsize(path) for path in spool.paths()}


def test_files_that_begin_with_the_same_line_do_not_begin_alike(tmp_path: Path) -> None:
    """The first line of each file is blank and its own, and covers all of a fingerprint."""
    spool = spool_in(tmp_path)
    for _ in range(2):
        spool.write(b"the same\n", GO_ON)
        spool.end_file()

    heads = [Path(path).read_bytes()[:HEAD] for path in spool.paths()]

    assert heads[0] != heads[1]
    assert all(not head.strip() and head.index(b"\n") == HEAD - 1 for head in heads)
    assert contents(spool) == [b"the same\n", b"the same\n"]


def test_a_new_process_ends_the_line_that_a_crash_cut_off(tmp_path: Path) -> None:
    """The rest of the last one is never joined to a line of another process."""
    spool = spool_in(tmp_path)
    spool.write(b"whole\nhal", GO_ON)

    again = spool_in(tmp_path)
    again.write(b"next\n", GO_ON)

    assert contents(again) == [b"whole\nhal\n", b"next\n"]


def test_a_line_that_is_sent_again_is_made_blank(tmp_path: Path) -> None:
    """With `keep_last`, what a crash has cut off says nothing, and the file has only grown."""
    spool = spool_in(tmp_path, keep_last=True)
    spool.write(b"whole\nhal", GO_ON)
    size = os.path.getsize(spool.paths()[0])

    again = spool_in(tmp_path, keep_last=True)

    assert contents(again) == [b"whole\n   \n"]
    assert os.path.getsize(again.paths()[0]) > size
    assert again.last_line() == b"whole"


def test_only_what_is_acked_is_removed(tmp_path: Path) -> None:
    """A file stays until all of it is acked, and while lines may still be added to it."""
    spool = spool_in(tmp_path, file_bytes=1)
    spool.write(b"one\n", GO_ON)
    spool.write(b"two\n", GO_ON)
    first, second = sorted(spool.paths())

    spool.prune({first: HEAD + 3, second: HEAD + 4})
    assert spool.paths() == [first]

    spool.prune({first: HEAD + 4})
    assert spool.paths() == []


def test_the_newest_file_stays_where_it_says_where_to_go_on(tmp_path: Path) -> None:
    """With `keep_last`, the last line outlives its delivery."""
    spool = spool_in(tmp_path, keep_last=True, file_bytes=1)
    spool.write(b"one\n", GO_ON)
    spool.write(b"two\n", GO_ON)

    spool.prune(all_acked(spool))

    assert contents(spool) == [b"two\n"]
    assert spool_in(tmp_path, keep_last=True).last_line() == b"two"


def test_a_full_spool_has_room_again_when_something_is_removed(tmp_path: Path) -> None:
    """Its size is bounded: nobody writes until a file is delivered."""
    spool = Spool(tmp_path, 8192)
    while spool.has_room():
        spool.write(b"x" * 1023 + b"\n", GO_ON)

    assert not spool.wait_for_room(0)
    assert spool.size <= 8192 + 2048

    spool.prune(all_acked(spool))
    assert spool.wait_for_room(0)


def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written is written when it can be, from where it stopped."""
    spool = spool_in(tmp_path)
    spool.write(b"first\n", GO_ON)
    real, failures = os.write, iter([3, OSError(errno.ENOSPC, "full"), None])

    def write(fd: int, data: bytes) -> int:
        found = next(failures)
        if isinstance(found, OSError):
            raise found
        return real(fd, bytes(data)[:found])

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr("shipper.intake.spool.RETRY_SECONDS", 0)

    assert spool.write(b"second\n", GO_ON)
    assert contents(spool) == [b"first\nsecond\n"]


def test_a_stop_ends_the_wait_for_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shipper that stops does not wait for ever; `write` says that the lines are lost."""
    spool = spool_in(tmp_path)
    stop = threading.Event()
    stop.set()

    def refuse(*_args: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "writev", refuse)

    assert not spool.write(b"line\n", stop)
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_cannot_be_used_is_an_error_with_its_path(tmp_path: Path) -> None:
    """A file in the place of the folder is named."""
    (tmp_path / "spool").write_text("")

    with pytest.raises(DataFolderError, match=r"cannot use .*/spool"):
        spool_in(tmp_path / "spool")


def test_sizes_are_as_the_page_of_inputs_says(tmp_path: Path) -> None:
    """A reload leaves the size of a spool as it is; a file ends at 16 MiB."""
    old, new = (InputOptions(stdin=StdinOptions(spool_bytes=size)) for size in (1 << 20, 1 << 21))
    spools = Spools([old], tmp_path)
    spools.set_inputs([new])

    assert spools[StdinOptions().name].limit == 1 << 20
    assert Spools([new], tmp_path)[StdinOptions().name].limit == 1 << 21
    page = (Path(__file__).parents[2] / "docs" / "inputs.md").read_text()
    assert f"ends at {FILE_BYTES >> 20} MiB" in page
    assert "takes effect at the next start" in page
