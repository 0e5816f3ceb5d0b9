"""
Finds out which format a file has, from its first lines; and how many lines do not have it.

A format is recognized if most of the lines that begin an event have its form. With few lines, none
may be: what a file is taken for stays for as long as it lives, so that is better left open.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shipper.formats.blocks import expand
from shipper.formats.definition import LogFormat
from shipper.formats.matching import compile_own, compile_ready
from shipper.formats.table import DOCKER_NAME, EMIT, FORMATS, JSON, TEXT_NAME, W3C_NAME
from shipper.formats.web import W3C_FIELDS

HEAD_BYTES = 1 << 16  # of a file that are looked at
MOST_LINES = 100
LINE_BYTES = 8192  # of a line; a longer one fits no pattern
ENOUGH_LINES = 20  # without any other format, it is text
LEAST_SHARE = 0.6  # of the lines that begin an event

_EMIT_BEGIN = b'{"timestamp":"'


class Fit(NamedTuple):
    """How many events of some lines have a format, and how many do not."""

    matched: int
    misfits: int

    @property
    def share(self) -> float:
        """The share of events that have it."""
        return self.matched / max(self.matched + self.misfits, 1)


def recognize(head: bytes, path: str) -> str:
    """Return the name of the format of a file by its first bytes; empty if they are too few."""
    whole = head[: head.rfind(b"\n") + 1]
    lines = [line for line in whole.splitlines() if line.strip(b"\0 \t\r")][:MOST_LINES]
    if not lines:
        return ""
    if sum(map(_is_docker, lines)) >= LEAST_SHARE * len(lines):
        return DOCKER_NAME
    objects = sum(line.startswith(b"{") and line.rstrip().endswith(b"}") for line in lines)
    if objects >= LEAST_SHARE * len(lines):
        return EMIT if sum(map(_is_emit, lines)) * 2 >= objects else JSON
    texts = [line[:LINE_BYTES].decode(errors="replace") for line in lines]
    best, most = "", 0.0
    if any(line.startswith(W3C_FIELDS) for line in lines):
        return W3C_NAME
    for name, each in FORMATS.items():
        if name in (TEXT_NAME, W3C_NAME):
            continue
        fit = fit_of(each, texts)
        is_usual = re.search(each.paths, path) is not None
        if fit.share >= LEAST_SHARE and fit.matched + is_usual / 2 > most:
            best, most = name, fit.matched + is_usual / 2
    if best:
        return best
    is_enough = len(lines) >= ENOUGH_LINES or len(head) >= HEAD_BYTES
    return TEXT_NAME if is_enough else ""


def fit_of(log_format: LogFormat, lines: list[str]) -> Fit:
    """Return how many of these lines have a format; lines that go on are not counted."""
    if log_format.name == W3C_NAME:
        return _fit_of_w3c(lines)
    compiled = compile_own if log_format.is_own else compile_ready
    layouts = [compiled(layout.pattern)[0] for layout in log_format.layouts]
    first = log_format.first_line and re.compile(expand(log_format.first_line))
    matched = misfits = 0
    for line in lines:
        if any(match(line) is not None for match in layouts):
            matched += 1
        elif not line.startswith("{") and not (first and matched and first.match(line) is None):
            misfits += 1
    return Fit(matched, misfits)


def fit_of_json(lines: list[str]) -> Fit:
    """Return how many of these lines are objects of JSON, as far as their ends say."""
    objects = sum(line.startswith("{") and line.rstrip().endswith("}") for line in lines)
    return Fit(objects, len(lines) - objects)


def _fit_of_w3c(lines: list[str]) -> Fit:
    """Return how many lines have as many values as the last `#Fields:` before them has names."""
    matched = misfits = columns = 0
    for line in lines:
        if line.startswith(W3C_FIELDS.decode()):
            columns = len(line.split()) - 1
        elif not line.startswith(("#", "{")):
            is_quoted = '"' in line  # it may have spaces in its values
            has_form = columns > 0 and (is_quoted or len(line.split()) == columns)
            matched, misfits = matched + has_form, misfits + (not has_form)
    return Fit(matched, misfits)


def _is_docker(line: bytes) -> bool:
    return line.startswith(b'{"log":"') and b'"stream":"' in line


def _is_emit(line: bytes) -> bool:
    return line.startswith(_EMIT_BEGIN)
