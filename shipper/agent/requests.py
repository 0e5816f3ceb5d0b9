"""
Requests of other processes to the running shipper, which alone writes its registry and output.

A request is a JSON file `requests/NAME.request` in the data folder, written under another name,
fsynced and renamed. The shipper looks for requests about once a second, and at its start. In this
order, it carries the request out → makes the effect durable → writes `NAME.answer` → deletes the
request; the process that asked deletes the answer. After a crash in between, the request is carried
out once more, which changes nothing: reread, forget and replay can each be repeated.

    {"type": "reread", "files": {"/logs/app.log": 0}}     path → byte at which a line begins
    {"type": "forget", "patterns": ["/logs/old/*"]}
    {"type": "replay", "ids": null}                       `_id`s of dead letters; null: all
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.errors import DataFolderError
from shipper.files import make_folder, read_regular, write_whole

if TYPE_CHECKING:
    from pathlib import Path

ENDING = ".request"
ANSWER = ".answer"
MOST_READ = 256  # files, at each look
MAX_BYTES = 64 << 20  # of a request or an answer: two million ids


class RereadRequest(msgspec.Struct, frozen=True, tag="reread"):
    """Read files again, each from a byte at which a line begins; see `FileRecord.reread`."""

    files: dict[str, int]


class ForgetRequest(msgspec.Struct, frozen=True, tag="forget"):
    """Forget deleted files whose paths match these paths or patterns."""

    patterns: tuple[str, ...]


class ReplayRequest(msgspec.Struct, frozen=True, tag="replay"):
    """Send dead letters again: those of these `_id`s, or all."""

    ids: tuple[str, ...] | None = None


Request = RereadRequest | ForgetRequest | ReplayRequest


class RequestOutcome(msgspec.Struct, frozen=True):
    """What became of one subject of a request; `fault` is why it was not carried out."""

    subject: str
    count: int = 0
    fault: str | None = None


class RequestAnswer(msgspec.Struct, frozen=True):
    """What became of a request."""

    outcomes: tuple[RequestOutcome, ...]


_Value = TypeVar("_Value")


def ask(folder: Path, name: str, request: Request) -> Path:
    """
    Write a request for the running shipper; return the path of its answer.

    Raises:
        DataFolderError: the folder cannot be written.

    """
    path = folder / f"{name}{ENDING}"
    try:
        make_folder(folder)
        write_whole(path, msgspec.json.encode(request), durable=True)
    except OSError as error:
        raise DataFolderError(
            f"cannot write {path}: {error.strerror}",
            "run the command as the user of the shipper, or free some space",
        ) from error
    return path.with_suffix(ANSWER)


def waiting(folder: Path, refused: set[str]) -> list[tuple[Path, Request]]:
    """
    Return the first requests in the folder, in the order of their names.

    What is none by its content is noted in `refused`, and not read again: a folder that is full of
    such files costs no more than its list.
    """
    try:
        names = {name for name in os.listdir(folder) if name.endswith(ENDING)}
    except OSError:  # not there yet, or not to be read now
        return []
    refused &= names
    found = []
    for name in sorted(names - refused)[:MOST_READ]:
        try:
            request = msgspec.json.decode(read_regular(folder / name, MAX_BYTES), type=Request)
            found.append((folder / name, request))
        except UNDECODABLE:
            refused.add(name)
        except OSError:
            continue  # it is gone, is no file, or is not to be read now
    return found


def answer(path: Path, found: RequestAnswer) -> None:
    """Write the answer to the request at `path`, then delete the request; raises OSError."""
    write_whole(path.with_suffix(ANSWER), msgspec.json.encode(found), durable=True)
    path.unlink(missing_ok=True)


def take_answer(path: Path) -> RequestAnswer | None:
    """Return the answer and delete it; None if it is not there yet."""
    found: RequestAnswer | None = _read(path, RequestAnswer)
    if found is not None:
        path.unlink(missing_ok=True)
    return found


def _read(path: Path, kind: type[_Value]) -> _Value | None:
    """Read a file of another process; return None if it is gone, or no such file."""
    try:
        return msgspec.json.decode(read_regular(path, MAX_BYTES), type=kind)
    except (OSError, *UNDECODABLE):
        return None
