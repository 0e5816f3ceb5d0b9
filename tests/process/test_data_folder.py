"""The data folder: one shipper at a time, whatever became of the one before."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shipper.errors import DataFolderError
from shipper.process.data_folder import LOCK, hold, holder_of

NOBODY = 65534

HOLDER = """
import sys, time
from pathlib import Path
from shipper.process.data_folder import hold

with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Let another process hold the folder until its input ends."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield process


@contextmanager
def unprivileged() -> Iterator[None]:
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    """Its owner could put links in the place of what is written; only root's is as good."""
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, NOBODY, NOBODY)
    with pytest.raises(DataFolderError, match=f"belongs to user {NOBODY}"), hold(data):
        pass
    assert not list(data.iterdir())
    with hold(data, root_may=True):
        assert holder_of(data) == os.getpid()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_of_root_that_may_be_written(open_folder: Path) -> None:
    """As a volume of Kubernetes is: of root, writable by the group."""
    open_folder.chmod(0o777)
    with unprivileged(), hold(open_folder):
        assert holder_of(open_folder) == os.getpid()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that any user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_the_folder_is_made(tmp_path: Path) -> None:
    """A new data folder, with its parents, is for its owner alone."""
    folder = tmp_path / "var" / "shipper"
    with hold(folder):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / LOCK).stat().st_mode & 0o777 == 0o600
        assert (folder / LOCK).read_text() == f"{os.getpid()}\n"


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """A second shipper is told who holds the folder, and what to do; the first goes on."""
    with other_process(tmp_path) as process:
        for _ in range(2):
            with (
                pytest.raises(
                    DataFolderError,
                    match=rf"another shipper \(process {process.pid}\) uses .*set another data_dir",
                ),
                hold(tmp_path),
            ):
                pass
            assert holder_of(tmp_path) == process.pid
        process.communicate(b"")
        assert process.returncode == 0


def test_a_second_hold_in_one_process(tmp_path: Path) -> None:
    """The lock is of the pipeline, not of the process."""
    with hold(tmp_path), pytest.raises(DataFolderError, match=str(os.getpid())), hold(tmp_path):
        pass


def test_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    """After kill -9 nothing has to be cleaned up."""
    with other_process(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (tmp_path / LOCK).read_text() == f"{process.pid}\n"
    assert holder_of(tmp_path) is None
    with hold(tmp_path):
        assert holder_of(tmp_path) == os.getpid()
    assert holder_of(tmp_path) is None


def test_the_lock_ends_with_a_failure(tmp_path: Path) -> None:
    """However the work under the lock ends, the lock ends with it."""
    with pytest.raises(ZeroDivisionError), hold(tmp_path):
        raise ZeroDivisionError
    assert holder_of(tmp_path) is None


def test_nobody_holds_what_is_not_there(tmp_path: Path) -> None:
    """A look changes nothing: it makes no folder and no lock."""
    assert holder_of(tmp_path / "no") is None
    assert holder_of(tmp_path) is None
    assert not [*tmp_path.iterdir()]


def test_a_holder_that_has_not_told_who_it_is(tmp_path: Path) -> None:
    """A lock without a process id is a lock all the same."""
    with other_process(tmp_path):
        (tmp_path / LOCK).write_bytes(b"")
        assert holder_of(tmp_path) == 0
        with pytest.raises(DataFolderError, match="process unknown"), hold(tmp_path):
            pass


def test_a_file_in_the_way(tmp_path: Path) -> None:
    """A path that is no folder is named, with a remedy."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with (
            pytest.raises(DataFolderError, match=f"data folder {folder}: .*data_dir"),
            hold(folder),
        ):
            pass


def test_no_permission(open_folder: Path) -> None:
    """A folder that may not be written is named, with a remedy."""
    with (
        unprivileged(),
        pytest.raises(DataFolderError, match="Permission denied; correct its permissions"),
        hold(open_folder / "data"),
    ):
        pass
