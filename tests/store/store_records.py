"""Records for the tests of the stores: ordinary and irregular ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipper.store.embedded.layout import StoredFile, list_store, replaced_files
from shipper.store.embedded.writer import EmbeddedWriter

RUN = "01JKABCDEFGHJKMNPQRSTVWXYZ"
NOON = 1_770_292_800_000  # 2026-02-05T12:00:00Z
DAY = 86_400_000
KEEP_SECONDS = 400 * 86_400


@dataclass(frozen=True)
class Record:
    """A record as the pipeline passes it to a store."""

    id: str
    doc: bytes
    time: int

    @property
    def fields(self) -> dict[str, Any]:
        """What was written, the last of doubled keys, without nulls at the top."""
        fields: dict[str, Any] = json.loads(self.doc)
        return {name: value for name, value in fields.items() if value is not None}


def record(seq: int, time: int = NOON, run: str = RUN, **fields: Any) -> Record:
    """Make a record of the application."""
    document = {**fields, "run": run, "seq": seq}
    return Record(f"{run}-{seq}", json.dumps(document, ensure_ascii=False).encode(), time)


def foreign(stream: str, offset: int, time: int = NOON, **fields: Any) -> Record:
    """Make a record of a line that `emit` did not write."""
    log = {"file": {"path": "/var/log/syslog"}, "offset": offset, "stream": stream}
    document = {**fields, "log": log}
    return Record(f"{stream}-{offset}", json.dumps(document, ensure_ascii=False).encode(), time)


def enriched(dataset: str, offset: int, error: str | None = None, host: str = "web-1") -> Any:
    """Return the objects that enrichment adds."""
    added: dict[str, Any] = {
        "host": {"name": host},
        "service": {"name": "orders", "environment": "production", "version": "1.0.0"},
        "event": {
            "dataset": f"orchestrator.{dataset}",
            "kind": "event",
            "category": ["web"] if dataset == "access" else ["process", "web"],
            "created": f"2026-02-05T12:00:{offset % 60:02d}.{offset % 1000:03d}Z",
        },
        "log": {"file": {"path": f"/var/log/{dataset}.log"}, "offset": offset},
        "data_stream": {"type": "logs", "dataset": f"orchestrator.{dataset}", "namespace": "blue"},
    }
    return {**added, "error": {"category": error}} if error else added


def access(seq: int, status_code: int, duration_ms: float, **fields: Any) -> Record:
    """Make an access record, a second after the one before."""
    error = "user" if 400 <= status_code < 500 else "server" if status_code >= 500 else None
    basis: dict[str, Any] = {
        "level": "ERROR" if status_code >= 500 else "INFO",
        "logger": "automation_orchestrator.access",
        "message": f"GET /api/workflows/{seq} {status_code}",
        "method": "GET",
        "path": f"/api/workflows/{seq}",
        "route": "/api/workflows/{workflow_id}",
        "status_code": status_code,
        "duration_ms": duration_ms,
        "request_id": f"req_{seq:04d}",
        **enriched("access", 300 * seq, error, f"web-{1 + seq % 2}"),
    }
    return record(seq, NOON + 1000 * seq, **{**basis, **fields})


ORDINARY = [
    access(0, 200, 12.5),
    access(1, 200, 0.004),
    access(2, 404, 3, client_ip="10.0.0.1", user_agent="curl/8.0 (x86_64)"),
    access(3, 500, 4999.99, error_type="TimeoutError"),
    access(4, 503, 0.0, error_type="DatabaseError", level="CRITICAL"),
    access(5, 204, 1e6, path="/api/ü?q=*", method="POST"),
    record(
        6,
        NOON + 90_000,
        level="ERROR",
        logger="automation_orchestrator.workflows",
        message="Workflow failed at action 3: Connection refused",
        workflow_id="workflow_7",
        execution_time_ms=1250,
        status="failed",
        error_type="TimeoutError",
        exc_info='Traceback (most recent call last):\n  File "x.py"\nTimeoutError: no answer',
        request_id="req_0006",
        **enriched("workflow", 77, "workflow"),
    ),
    record(
        7,
        NOON + 90_001,
        level="INFO",
        message="Workflow executed successfully",
        workflow_id="workflow_12",
        execution_time_ms=17,
        status="success",
        **enriched("workflow", 99),
    ),
    record(8, NOON + 90_001, level="WARNING", message="refused connection", tags=["a", "b"]),
    record(9, NOON - DAY, level="DEBUG", message="the day before", run_=1, **enriched("app", 1)),
]

HOSTILE = [
    record(20, level=None, message=None, status_code=None, extra=None),
    record(21, message="ends with backslash \\ and \"quotes\" 'here'\n\ttabs", tags=[]),
    record(
        22, message="ünïcödé ΑΒΓ 日本語 straße 🎉", path="/a b/(c)/[d]/{e}/*?", extra={"k": "é"}
    ),
    record(23, message="x" * 100_000, error_type="y" * 70_000, extra={"z": "w" * 70_000, "a": 1}),
    record(24, extra={"n": 5, "m": "5", "tenant": "acme", "flag": True, "nothing": None}),
    record(25, extra={"n": 5.0, "m": 5, "tenant": "Acme Inc", "flag": False}),
    record(26, extra={"n": -2.5, "m": [1, "two", 3.5, None, [7, {"deep": "er"}]], "flag": "true"}),
    record(27, extra={"n": "five", "m": {"a": {"b": "nested"}, "a.b": 8}, "tenant": ""}),
    record(28, extra={"n": 2**63, "m": -(2**70), "big": 1e300, "small": 1e-300}),
    record(29, extra={"when": "2026-02-05T15:30:45.123456789+01:00", "day": "2026-02-05"}),
    record(30, extra={"when": "2026-02-05T14:30:45Z", "a b": "spaced", "ä-ö": 1, "": "empty"}),
    record(31, extra={"\x01odd": 1, "back\\slash": "b\\s", "dot.": 1, ".": 2, "q\"'": "x"}),
    record(32, extra={"level": 7, "message": "shadow", "text": "\x01marked", "nul": "a\x00b"}),
    record(
        33, extra={"ab": 1, "abc": {"d": 1}, "list": [{"x": 1}, {"x": 2}], "empty": {}, "l": []}
    ),
    record(34, extra={"n": 0, "neg": -1, "pct": 99.5, "huge_list": list(range(50))}),
    record(35, extra={"n": "0", "flag": ["false", 1], "code": ["007", 7], "v": "1.10"}),
    record(36, extra={"v": [1.1, 1.1, "1.1"], "code": ["1e3", "7.0"], "tenant": "-0", "m": "NaN"}),
    foreign("0123456789abcdef0123", 0, message="plain text line", tags=["not_json"]),
    foreign("0123456789abcdef0123", 812, message="another, with req_0003 in it", tags=["a"]),
    foreign("with-dash", 5, NOON + 1, run="not a run", seq=5, message="odd run"),
    Record(
        f"{RUN}-40", f'{{"level":"INFO","level":"ERROR","run":"{RUN}","seq":40}}'.encode(), NOON
    ),
    record(41, 0, message="the epoch"),
    record(42, 4_102_444_799_999, message="far ahead"),
    record(43, NOON + 1, seq_=1, message="a a b a"),
    record(
        44, client_ip="10.0.77.3", extra={"zero": -0.0, "peer": "172.18.0.9", "net": "10.0.0.0/8"}
    ),
    record(45, client_ip="10.1.0.1", extra={"zero": 0, "peer": ["172.32.0.1", "172.16.0.1"]}),
    record(47, error={"category": "server", "message": "boom"}),
    record(48, message="ΔΙΑΚΟΜΙΣΤΗΣ ΕΠΕΣΕ", execution_time_ms=-0.0),
    record(49, message="\u0130STANBUL", execution_time_ms=0),
    record(46, client_ip="100.0.0.1", level="WARN", extra={"zero": "-0.0", "peer": "172.1"}),
]


def nested(depth: int) -> dict[str, Any]:
    """Nest objects."""
    value: dict[str, Any] = {"bottom": 1}
    for _ in range(depth):
        value = {"d": value}
    return value


DEEP = record(50, extra={"top": 1, **nested(200)})


def write_parts(path: Path, parts: Sequence[Sequence[Record]], batch: int = 7) -> None:
    """Write records into an index, each sequence into a piece of its own, in several commits."""
    writer = EmbeddedWriter(path, keep_seconds=KEEP_SECONDS, max_bytes=1 << 30)
    try:
        for number, records in enumerate(parts):
            if number:
                roll(writer, path)
            for start in range(0, len(records), batch):
                refused = write(writer, records[start : start + batch])
                assert not refused
    finally:
        writer.close()


def write(writer: EmbeddedWriter, records: Sequence[Record]) -> list[tuple[int, str]]:
    """Write records in one commit."""
    return writer.write(
        [r.id for r in records], [r.doc for r in records], [r.time for r in records]
    )


def drop(piece: StoredFile) -> None:
    """Remove a piece, as retention does: what it has replaced goes first."""
    for file, by in replaced_files(piece.path.parent):
        if by.path == piece.path:
            file.path.unlink()
    piece.path.unlink()


def roll(writer: EmbeddedWriter, path: Path) -> None:
    """Make the writer turn its commits into a piece, as it does when they are old."""
    written = max(file.stat().st_mtime_ns for file in path.glob("main/*.ndjson")) // 1_000_000
    writer.retain(written + KEEP_SECONDS * 1000 // 30 + 1)
    assert all(file.is_piece for file in list_store(path))
