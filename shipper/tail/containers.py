"""
Which lines of a container's log belong together: parts of a line, and the lines of a traceback.

Docker and Kubernetes cut a line that is longer than 16 KiB, and the parts of standard output and of
standard error may be mixed. So the lines from the first part to the last are cut from the file as
one, together with what stands between; enrichment (shipper/enrich/containers.py) makes a record of
each line that the container wrote. As with `Multiline`, the limits cut by what is in the file.
"""

from __future__ import annotations

from dataclasses import dataclass

from shipper.tail.multiline import CONTINUES

ERROR = b"stderr"


@dataclass(frozen=True, slots=True)
class ContainerLines:
    """How lines are joined; `is_docker`: json-file, else the form of CRI."""

    is_docker: bool
    max_lines: int
    max_bytes: int
    quiet_seconds: float

    def split(self, data: bytes) -> tuple[list[int], bool]:
        """
        Return the offsets at which events begin, and whether the last one is complete.

        `data` is whole lines; its first byte begins an event.
        """
        starts: list[int] = []
        offset = size = lines = 0
        unfinished: set[bool] = set()
        last, goes_on = False, False
        part_of = _docker_part if self.is_docker else _cri_part
        for line in data.removesuffix(b"\n").split(b"\n"):
            length = len(line) + 1
            is_error, is_part, text = part_of(line)
            is_json = text.startswith(b"{")
            continues = goes_on and is_error == last and not is_json and CONTINUES.match(text)
            fits = lines < self.max_lines and size + length <= self.max_bytes
            if not (starts and fits and (unfinished or continues)):
                starts.append(offset)
                lines = size = 0
                unfinished = set()
                goes_on = not is_json
            (unfinished.add if is_part else unfinished.discard)(is_error)
            last = is_error
            lines += 1
            size += length
            offset += length
        is_over = not unfinished and not goes_on
        return starts, is_over or lines >= self.max_lines or size >= self.max_bytes


def _docker_part(line: bytes) -> tuple[bool, bool, bytes]:
    """Return whether a line is of standard error, whether it is no last part, and its text."""
    begin = b'{"log":"'
    end = line.find(b'","', len(begin))  # a quote in the text has a backslash before it
    if not line.startswith(begin) or end < 0:
        return False, False, line
    text = line[len(begin) : end]
    without = text.removesuffix(b"n").rstrip(b"\\")
    is_whole = text.endswith(b"n") and (len(text) - 1 - len(without)) % 2 == 1
    inside = text[: len(without)] if is_whole else text
    return b'"stream":"stderr"' in line[end:], not is_whole, inside.replace(b"\\t", b"\t")


def _cri_part(line: bytes) -> tuple[bool, bool, bytes]:
    """Return whether a line is of standard error, whether it is no last part, and its text."""
    parts = line.split(b" ", 3)
    if len(parts) < 4:
        return False, False, line
    _time, stream, tag, text = parts
    return stream == ERROR, tag.startswith(b"P"), text
