"""Lines of logfmt: to the fields of their records, by the table of JSON's keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.enrich import known
from shipper.formats.containers import LOGFMT
from shipper.formats.matching import compile_ready

if TYPE_CHECKING:
    from shipper.enrich.foreign import JsonReader
    from shipper.enrich.patterned import ReadLine

_PAIR = re.compile(r'([A-Za-z_@][\w.@/-]*)=(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^ "=]*))', re.ASCII)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_FLOAT = re.compile(r"-?[0-9]{1,17}\.[0-9]{1,17}", re.ASCII)


class LogfmtReader:
    """Reads lines of `key=value`; used by one thread."""

    def __init__(self, json: JsonReader) -> None:
        self._json = json
        self._match, _names = compile_ready(LOGFMT.layouts[0].pattern)

    def read(self, line: bytes, read_at: int) -> ReadLine | None:
        """Return what a line says; None if it is no logfmt, or has a key twice."""
        try:
            text = line.decode().removesuffix("\r")
        except UnicodeDecodeError:
            return None
        if self._match(text) is None:
            return None
        pairs = _PAIR.findall(text)
        record = {
            key: _value(plain) if plain else _unquoted(quoted) for key, quoted, plain in pairs
        }
        return self._json.read_record(record, read_at) if len(record) == len(pairs) else None


def _value(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return known.fit("duration_ms", text)
    return {"true": True, "false": False, "null": None}.get(text, text)


def _unquoted(text: str) -> str:
    if "\\" not in text:
        return text
    try:
        return msgspec.json.decode(f'"{text}"', type=str)
    except (*UNDECODABLE, UnicodeEncodeError):
        return text
