"""Secrets of every kind, planted in every place and form of a log, are found nowhere afterwards."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipper.config.main import load
from shipper.deliver.batch import Batch
from shipper.deliver.output import WithoutCommits
from shipper.events import Delivery, Events, Rejection
from shipper.splice import Spliced
from shipper.store.api import Selection
from shipper.store.opening import store_of
from tests.agent.shipping import ship
from tests.enrich.enriching import RUN, TIME, line_of
from tests.redact.redacting import card_of, iban_of

COUNT = 10_000
CONFIG = """\
service: {{name: a}}
data_dir: {folder}/data
inputs:
  - paths: [{folder}/logs/*.log]
    max_line_bytes: 4 KiB
    exclude: [joined.log]
  - paths: [{folder}/logs/joined.log]
    multiline: {{}}
redact: {{detectors: {{all: mask}}, names: [ssn]}}
output:
  embedded: {{path: {folder}/index}}
"""

# Every secret has `zqx` and a number in it, or digits that no other text has.
KINDS: tuple[Callable[[int], str], ...] = (
    lambda n: f"password=Zqx{n:05d}",
    lambda n: f'"api_key": "zqx {n:05d}"',
    lambda n: f"zqx{n:05d}@example.org",
    lambda n: f"Authorization: Bearer zqx{n:05d}.a",
    lambda n: f"eyJhbGciOiJIUzI1NiJ9.zqx{n:05d}.zqx",
    lambda n: f"ghp_zqx{n:05d}{'a' * 30}",
    lambda n: f"postgres://app:zqx{n:05d}@db/main",
    lambda n: f"-----BEGIN PRIVATE KEY-----\nzqx{n:05d}\n-----END PRIVATE KEY-----",
    card_of,
    lambda n: " ".join(re.findall("....", card_of(n))),
    iban_of,
    lambda n: f"203.{n % 199}.{n // 199}.213",
    lambda n: f"2001:db8:7:{n:x}::dead",
)
LEAK = re.compile(
    rb"(?i)zqx ?\d{3}.{0,9}|(?<![0-9])40{6}\d{9}(?!\d)|DE\d\d0{8}\d{10}|\.213\b|::dead"
)


def escaped(text: str) -> str:
    """Return a text of JSON whose every character is an escape."""
    return "".join(f"\\u{ord(letter):04x}" for letter in text)


def placed(secret: str, n: int) -> tuple[str, bytes]:
    """Return the file and the line in which a secret stands."""
    emit = {"message": "fine", "level": "INFO"}
    text = json.dumps(secret)[1:-1]
    inner = secret.replace("\n", "\n  ")
    extra = {"nested": [{"deep": {"list": ["x", secret]}}], secret: n, "ssn": f"zqx{n}"}
    places: tuple[Callable[[], tuple[str, bytes]], ...] = (
        lambda: ("app.log", line_of(n, **{**emit, "message": f"Task {secret} failed"})),
        lambda: ("app.log", line_of(n, **emit, exc_info=f"Trace:\n  {secret}\nError: x")),
        lambda: ("app.log", line_of(n, **emit, path=f"/a?{secret}", user_agent=secret)),
        lambda: ("app.log", line_of(n, **emit, request_id=secret, client_ip=secret)),
        lambda: ("app.log", line_of(n, **{**emit, "level": secret, "logger": secret})),
        lambda: ("app.log", line_of(n, **emit)[:-1] + f',"message":"{escaped(secret)}"}}'.encode()),
        lambda: ("app.log", line_of(n, **emit, extra=extra, tags=[secret])),
        lambda: ("other.log", json.dumps({"time": TIME, "msg": secret, "x": extra}).encode()),
        lambda: ("other.log", json.dumps({"m": json.dumps({"inner": secret})}).encode()),
        lambda: ("other.log", f'{{"message":"{escaped(secret)}","{text}":1}}'.encode()),
        lambda: ("other.log", f'{{"message":"{text}", broken'.replace("\\n", " ").encode()),
        lambda: ("text.log", f"at {secret} \xff".replace("\n", " ").encode("latin-1")),
        lambda: ("text.log", f"{secret} ".replace("\n", " ").encode() + b"x" * 5000),
        lambda: ("joined.log", f"Error {n}\n  at {inner}\n  end".encode()),
    )
    return places[n // len(KINDS) % len(places)]()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    logs: dict[str, list[bytes]] = {}
    for n in range(COUNT):
        name, line = placed(KINDS[n % len(KINDS)](n), n)
        logs.setdefault(name, []).append(line)
    (tmp_path / "logs").mkdir()
    (tmp_path / "data").mkdir()
    for name, lines in logs.items():
        (tmp_path / "logs" / name).write_bytes(b"\n".join([*lines, b""]))
    (tmp_path / "shipper.yml").write_text(CONFIG.format(folder=tmp_path))
    return tmp_path


class RefusesAll(WithoutCommits):
    """An output that refuses each event, and quotes it as the reason."""

    def prepare(self, events: Events) -> Events:
        return events

    def prepare_spliced(self, events: Spliced) -> Events:
        return events.events()

    def publish(self, batch: Batch[Events]) -> Delivery:
        docs = [doc for content in batch.contents for doc in content.docs]
        reasons = (doc.decode() for doc in docs)
        return Delivery(rejected=tuple(Rejection(n, text) for n, text in enumerate(reasons)))

    def close(self) -> None:
        pass


def leaks(folder: Path) -> Iterator[str]:
    """Yield what is in the files of a folder; a hold is the log itself."""
    for path in folder.rglob("*"):
        if path.is_file() and "holds" not in path.parts:
            yield from (f"{path.name}: {found!r}" for found in LEAK.findall(path.read_bytes()))


def test_every_secret_is_planted(folder: Path) -> None:
    """The logs do have them all, so that nothing to find means that nothing is left."""
    found = sum(len(LEAK.findall(path.read_bytes())) for path in (folder / "logs").iterdir())

    assert found > COUNT / 2  # the others are escaped, or have spaces in their number


def test_no_secret_is_stored(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the store, the registry, the status and the log of the shipper; no record is lost."""
    caplog.set_level(logging.DEBUG)
    config = load(folder / "shipper.yml")

    metrics = ship(config).read_metrics()

    assert metrics.redacted >= COUNT
    assert metrics.withheld == 0
    store = store_of(config)
    try:
        hits = store.search(Selection(), limit=2 * COUNT)
        assert hits.total == COUNT
        texts = [json.dumps(hit.source, ensure_ascii=False).encode() for hit in hits.hits]
        ids = {hit.id for hit in hits.hits}
    finally:
        store.close()
    assert [found for text in texts for found in LEAK.findall(text)] == []
    assert sum(b"redacted" in text or b".0" in text or b"::" in text for text in texts) == COUNT
    assert len({name for name in ids if name.startswith(RUN)}) > COUNT / 3
    assert [*leaks(folder / "data")] == []
    assert [*leaks(folder / "index")] == []
    assert LEAK.findall(caplog.text.encode()) == []


def test_no_secret_is_in_dead_letters(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What a store refuses is kept without secrets, and so is the reason that quotes it."""
    caplog.set_level(logging.DEBUG)

    ship(load(folder / "shipper.yml"), lambda _config: RefusesAll())

    letters = (folder / "data" / "deadletters.ndjson").read_bytes()
    assert letters.count(b"\n") == COUNT
    assert [*leaks(folder / "data")] == []
    assert LEAK.findall(caplog.text.encode()) == []
