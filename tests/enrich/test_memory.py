"""What is remembered of records is bounded in bytes, whatever strangers write into them."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest

from shipper.agent.inputs import cutting_of
from shipper.enrich import clock
from shipper.enrich.enricher import Enricher
from tests.enrich.enriching import CONTEXT, block_of, line_of
from tests.formats.reading import config_of
from tests.redact.redacting import redactor

LONG = 50_000
LINES = 100
MOST = 2_000_000  # bytes; all lines together have more than twice as many


def json_lines(key: str) -> list[bytes]:
    """Return lines with a value, or key, that is long and another one each."""
    texts = (f"{number}" + "x" * LONG for number in range(LINES))
    if key == "a key":
        return [f'{{"{text}":1}}\n'.encode() for text in texts]
    if key == "many keys":
        return [
            ("{" + ",".join(f'"{number}k{each}":1' for each in range(4000)) + "}\n").encode()
            for number in range(LINES)
        ]
    if key == "emit":
        return [line_of(seq, logger=text) + b"\n" for seq, text in enumerate(texts)]
    if key == "time":
        return [f'{{"time":"2026-02-05T14:30:45z{text}"}}\n'.encode() for text in texts]
    return [f'{{"{key}":"{text}","msg":"x"}}\n'.encode() for text in texts]


@pytest.mark.parametrize(
    "key", ["level", "logger", "status", "time", "a key", "many keys", "emit", "client_ip"]
)
def test_long_values_are_not_remembered(key: str) -> None:
    """Enrichment and redaction have forgotten a line when the next one comes."""
    name = "emit" if key == "emit" else "json"
    source = cutting_of(config_of(f"format: {name}").inputs[0], 0).source
    enricher, redacting = Enricher(CONTEXT), redactor()
    lines = json_lines(key)

    def work(part: list[bytes]) -> None:
        for line in part:
            block = replace(block_of(line), source=source)
            redacting.redact(enricher.enrich(block))

    work(lines[:2])
    tracemalloc.start()
    try:
        work(lines)
        now, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        clock._second.cache_clear()

    assert now < MOST
