"""What logging cannot do is counted by reason, never raised or printed, and ends by itself."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shipper import emit
from shipper.emit import losses
from tests.emit import emit_files
from tests.emit.emit_files import handler_for, read, record_of


@pytest.fixture(autouse=True)
def _raise_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn on the standard library's own way to report: it must make no difference."""
    monkeypatch.setattr(logging, "raiseExceptions", True)
    emit_files.count_from_zero()


def run_python(code: str, *arguments: object) -> dict[str, int]:
    """Run code in a process of its own; it prints its failures, and nothing to stderr."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    counts = json.loads(done.stdout)
    assert isinstance(counts, dict)
    return counts


def test_a_full_disk_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ENOSPC loses the record, says so in the counts, and nothing else."""
    (tmp_path / "app.log").symlink_to("/dev/full")
    handler = handler_for(tmp_path / "app.log", max_bytes=100, backup_count=5)
    handler.handle(record_of())
    handler.handle(record_of())
    handler.close()

    assert emit.failures() == {"disk_full": 2}
    assert capsys.readouterr().err == ""


SMALL_DISK = """
import json, logging, resource, sys
from pathlib import Path
from shipper import emit
handler = emit.ProcessSafeRotatingFileHandler(sys.argv[1])
handler.setFormatter(emit.JsonFormatter())
logger = logging.getLogger("app")
logger.addHandler(handler)
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
for number in range(10):
    logger.warning("full %d %s", number, "x" * 200)
resource.setrlimit(resource.RLIMIT_FSIZE, limit)
for number in range(3):
    logger.warning("room again %d", number)
print(json.dumps(emit.failures()))
"""


def test_after_a_full_disk_it_goes_on_by_itself(tmp_path: Path) -> None:
    """The line that was half on the disk is closed, and every later record is whole."""
    counts = run_python(SMALL_DISK, tmp_path / "app.log")
    lines = (tmp_path / "app.log").read_bytes().splitlines()
    halves = [line for line in lines if not line.endswith(b"}")]
    records = [json.loads(line) for line in lines if line.endswith(b"}")]

    assert len(halves) == 1
    assert counts == {"disk_full": 10 - (len(records) - 3)}
    assert [record["message"] for record in records[-3:]] == [f"room again {n}" for n in range(3)]
    assert [record["seq"] for record in records[-3:]] == [10, 11, 12]


def test_a_folder_that_cannot_be_made_is_counted(tmp_path: Path) -> None:
    """A file where the folder should be; when it is gone, the records go on."""
    (tmp_path / "logs").write_text("not a folder")
    handler = handler_for(tmp_path / "logs" / "app.log")
    handler.handle(record_of())
    assert emit.failures() == {"missing": 1}

    (tmp_path / "logs").unlink()
    handler.handle(record_of("room again"))
    handler.close()
    assert [record["message"] for record in read(tmp_path / "logs" / "app.log")] == ["room again"]


def test_a_file_that_cannot_be_renamed_is_still_written(tmp_path: Path) -> None:
    """A rotation that fails loses no record; it is counted, and the file grows."""
    path = tmp_path / "app.log"
    (tmp_path / "app.log.1" / "in the way").mkdir(parents=True)
    handler = handler_for(path, max_bytes=300, backup_count=1)
    for _ in range(3):
        handler.handle(record_of("x" * 200))
    handler.close()

    assert emit.failures() == {"rotation": 2}
    assert len(read(path)) == 3


def test_a_formatter_that_raises_is_counted(tmp_path: Path) -> None:
    """Whatever a formatter of the application does, its caller goes on."""

    class Broken(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            raise RuntimeError("broken")

    handler = handler_for(tmp_path / "app.log")
    handler.setFormatter(Broken())
    handler.handle(record_of())

    assert emit.failures() == {"format": 1}


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EACCES, "permission"),
        (errno.EROFS, "permission"),
        (errno.ENOENT, "missing"),
        (errno.EIO, "io"),
        (None, "io"),
    ],
)
def test_reasons(number: int | None, reason: str) -> None:
    """Every error of the system has a reason that an operator can act on."""
    error = OSError() if number is None else OSError(number, os.strerror(number))

    assert losses.reason_of(error) == reason


LOGS_WHILE_LOGGING = """
import json, logging, sys
from pathlib import Path
from shipper import emit
handler = emit.ProcessSafeRotatingFileHandler(sys.argv[1], maxBytes=200, backupCount=1000)
handler.setFormatter(emit.JsonFormatter())
logger = logging.getLogger("app")
logger.addHandler(handler)
pending = ["fcntl.flock", "os.rename", "open"]
def interrupt(event, arguments):
    if event in pending:
        pending.remove(event)
        logger.warning("interrupted at %s", event)
sys.addaudithook(interrupt)
for number in range(10):
    logger.warning("%d", number)
assert not pending
print(json.dumps(emit.failures()))
"""


def test_a_record_in_the_middle_of_a_record(tmp_path: Path) -> None:
    """A signal handler or destructor that logs while its thread is writing loses nothing."""
    assert run_python(LOGS_WHILE_LOGGING, tmp_path / "app.log") == {}

    seqs = [record["seq"] for path in tmp_path.iterdir() for record in read(path)]
    assert sorted(seqs) == list(range(13))


def test_a_forked_child_starts_with_no_failures() -> None:
    """The counts are those of one process, so that they can be added up."""
    losses.count(losses.Reason.IO)
    assert emit.failures() == {"io": 1}
    child = os.fork()
    if child == 0:
        os._exit(len(emit.failures()))

    assert os.waitpid(child, 0)[1] == 0
