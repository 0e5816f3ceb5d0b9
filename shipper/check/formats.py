"""Checks what the files of inputs are, and whether their lines have the format of their input."""

from __future__ import annotations

import os
from collections.abc import Iterator

from shipper.check.finding import Finding, ok, warning
from shipper.check.machine import CheckContext
from shipper.config.inputs import InputOptions
from shipper.files import open_regular
from shipper.formats.detect import HEAD_BYTES, Fit, fit_of, fit_of_json, recognize
from shipper.formats.table import AUTO, EMIT, FORMATS

MOST_FILES = 50  # of a pattern that are looked at
MISFITS_ONE_IN = 100  # lines of a file; more are a warning


def check_formats(context: CheckContext) -> Iterator[Finding]:
    """Check what each file is; lines are not looked at where no `format` is named."""
    for place, (_pattern, matches) in context.matches.items():
        source = context.config.inputs[int(place.partition("[")[2].partition("]")[0])]
        for found in matches[:MOST_FILES]:
            if source.pattern is None and source.format == EMIT:
                continue
            parts = _read_parts(found.path)
            if parts is not None:
                yield from _check_file(place, found.path, source, *parts)


def _check_file(
    place: str, path: str, source: InputOptions, head: bytes, lines: list[str]
) -> Iterator[Finding]:
    own = source.own_format()
    name = source.format
    if own is None and name == AUTO:
        name = recognize(head, path)
        if not name:
            yield ok(place, f"{path}: too few lines to see their format; read as text until then")
            return
    log_format = own or FORMATS.get(name)
    shown = "the pattern" if own else name
    fit = fit_of_json(lines) if log_format is None else fit_of(log_format, lines)
    tag = "not_json" if log_format is None else "no_match"
    yield from _check_fit(place, path, fit, shown, tag)


def _check_fit(place: str, path: str, fit: Fit, shown: str, tag: str) -> Iterator[Finding]:
    if fit.misfits * MISFITS_ONE_IN <= fit.matched + fit.misfits:
        yield ok(place, f"{path}: {shown}")
        return
    yield warning(
        place,
        f"{path}: {fit.misfits} of {fit.matched + fit.misfits} lines that were looked at do not "
        f"match {shown}; they are stored as text, tagged {tag}",
        "use another format, or a pattern of your own",
    )


def _read_parts(path: str) -> tuple[bytes, list[str]] | None:
    """Return the beginning of a file, and the lines of its beginning and its end."""
    try:
        fd = open_regular(path, follow=True)
    except OSError:
        return None  # that is a finding of the check of inputs
    try:
        head = os.pread(fd, HEAD_BYTES, 0)
        size = os.fstat(fd).st_size
        end = b"" if size <= HEAD_BYTES else os.pread(fd, HEAD_BYTES, size - HEAD_BYTES)
    except OSError:
        return None
    finally:
        os.close(fd)
    data = head[: head.rfind(b"\n") + 1] + end[end.find(b"\n") + 1 : end.rfind(b"\n") + 1]
    lines = [line.decode(errors="replace") for line in data.split(b"\n")]
    return head, [line.rstrip("\r") for line in lines if line.strip("\0 \t\r")]
