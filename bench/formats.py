"""
What lines of other programs cost: JSON of common loggers, nginx, and redaction of each.

    python -m bench.formats 100000

CPU time of this process over blocks as the shipper reads them, the best of seven, per million
lines: taking the lines apart (`enrich`), making the body of a request of them (`prepare`), and,
with all detectors, taking secrets out between the two (`redact`). The ratio is of the sum with
redaction to the sum without. In a third of the lines with secrets there is something to find.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench import corpus
from shipper.deliver.bulk import BulkPreparer
from shipper.enrich.enricher import Enricher, RecordContext
from shipper.events import Block, Source
from shipper.redact.redactor import Redactor
from shipper.redact.rules import RedactRules

BLOCK_BYTES = 1 << 18
READ_AT = 1_770_400_000_000
ROUNDS = 7
CONTEXT = RecordContext("host", "automation-orchestrator", "production", "1.0.0", "production")

_MESSAGES = (
    "Workflow executed successfully",
    "Task was taken from the queue",
    "Trigger was evaluated, no change since",
    "connection to mail.internal was reset",
)
_SECRETS = (
    "login of anna@example.org failed",
    "connect to postgres://app:hunter22@db.internal/main",
    "card 4111 1111 1111 1111 was declined",
)


@dataclass(frozen=True, slots=True)
class _Moment:
    """What a line says: time in epoch milliseconds, random bits, a message."""

    at: int
    bits: int
    message: str

    @property
    def iso(self) -> str:
        return f"2026-02-05T14:{self.clock}.{self.at % 1000:03}Z"

    @property
    def clock(self) -> str:
        return f"{self.at // 60_000 % 60:02}:{self.at // 1000 % 60:02}"

    @property
    def request(self) -> str:
        return f"req_{self.bits & 0xFFFFFFFFFFFF:012x}"


def _zap(at: _Moment) -> str:
    return (
        f'{{"level":"{("info", "warn")[at.bits & 1]}","ts":{at.at / 1000:.3f},'
        f'"logger":"svc.worker","caller":"worker/run.go:{at.bits & 255}","msg":"{at.message}",'
        f'"request_id":"{at.request}","attempt":{at.bits & 7},"took":{at.bits % 977 / 8}}}'
    )


def _pino(at: _Moment) -> str:
    return (
        f'{{"level":30,"time":{at.at},"pid":71,"hostname":"web-1","name":"svc",'
        f'"req":{{"id":"{at.request}","method":"GET","url":"/api/workflows/{at.bits & 511}"}},'
        f'"res":{{"statusCode":{(200, 200, 404, 500)[at.bits >> 9 & 3]}}},'
        f'"responseTime":{at.bits % 977 / 8},"msg":"{at.message}"}}'
    )


def _structlog(at: _Moment) -> str:
    return (
        f'{{"event":"{at.message}","level":"info","logger":"svc.queue","timestamp":"{at.iso}",'
        f'"request_id":"{at.request}","queue":"mail","depth":{at.bits & 63}}}'
    )


def _ecs(at: _Moment) -> str:
    return (
        f'{{"@timestamp":"{at.iso}","log.level":"info","message":"{at.message}",'
        f'"ecs.version":"1.6.0","log":{{"logger":"svc.trigger","origin":{{"function":"run",'
        f'"file.line":{at.bits & 255}}}}},"trace.id":"{at.request}","process.thread.name":"main"}}'
    )


def _nginx(at: _Moment) -> str:
    status = (200, 200, 200, 404)[at.bits >> 9 & 3]
    return (
        f"203.0.113.{at.bits & 255} - - [05/Feb/2026:14:{at.clock} +0000] "
        f'"GET /api/workflows/{at.bits & 511}?page=2 HTTP/1.1" '
        f'{status} {at.bits & 4095} "-" "Mozilla/5.0 (X11; Linux x86_64)"'
    )


NGINX = (_nginx,)
KINDS: dict[str, tuple[str, Sequence[Callable[[_Moment], str]]]] = {
    "zap": ("json", [_zap]),
    "pino": ("json", [_pino]),
    "structlog": ("json", [_structlog]),
    "ecs-logging": ("json", [_ecs]),
    "JSON of others": ("json", [_zap, _pino, _structlog, _ecs]),
    "nginx": ("nginx", NGINX),
}


def lines_of(makers: Sequence[Callable[[_Moment], str]], count: int, *, secrets: bool) -> bytes:
    """Write lines; a file has those of one program, so each stands for long."""
    rng = random.Random(1)
    found = []
    at = corpus.START_MS
    for number in range(count):
        bits = rng.getrandbits(64)
        at += bits % 3
        message = _MESSAGES[bits & 3]
        if secrets and not number % 3:
            message = _SECRETS[bits % 3]
        found.append(makers[number * len(makers) // count](_Moment(at, bits, message)))
    return ("\n".join(found) + "\n").encode()


def blocks_of(data: bytes, form: str) -> list[Block]:
    """Cut lines into blocks as the shipper reads them."""
    blocks, start = [], 0
    first = Block(1, "/var/log/a.log", "0123456789abcdef0123", 0, 0, b"", READ_AT, 1 << 20)
    while start < len(data):
        end = data.rfind(b"\n", start, start + BLOCK_BYTES) + 1
        block = replace(first, start=start, end=end, data=data[start:end])
        blocks.append(replace(block, source=Source(form)))
        start = end
    return blocks


def cost(blocks: Sequence[Block], lines: int, *, redacted: bool) -> tuple[float, float, float]:
    """Return the CPU seconds of a million lines: taken apart, redacted, prepared."""
    enricher = Enricher(CONTEXT)
    redactor = Redactor(RedactRules({"all": "mask"}, {}))
    preparer = BulkPreparer("production")
    best = (float("inf"),) * 3
    for _ in range(ROUNDS):
        spent = [0.0, 0.0, 0.0]
        for block in blocks:
            times = [time.process_time()]
            events = enricher.enrich(block)
            times.append(time.process_time())
            if redacted:
                events = redactor.redact(events)
            times.append(time.process_time())
            events.prepared_by(preparer)
            times.append(time.process_time())
            for index in range(3):
                spent[index] += times[index + 1] - times[index]
        best = min(best, (spent[0], spent[1], spent[2]), key=sum)
    return best[0] / lines * 1e6, best[1] / lines * 1e6, best[2] / lines * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.formats", description=__doc__)
    parser.add_argument("lines", type=int, nargs="?", default=100_000)
    parser.add_argument("--only", choices=[*KINDS, "emit"], help="one kind of lines")
    options = parser.parse_args()
    lines = options.lines
    subjects = {"emit": ("", b"".join(corpus.blocks(lines)))}
    for name, (form, makers) in KINDS.items():
        subjects[name] = form, lines_of(makers, lines, secrets=False)
    subjects["JSON with secrets"] = "json", lines_of([_zap, _structlog], lines, secrets=True)
    print(f"{'CPU s / million lines':20} {'enrich':>8} {'prepare':>8} {'redact':>8} {'ratio':>6}")
    for name, (form, data) in subjects.items():
        if options.only not in (None, name):
            continue
        blocks = blocks_of(data, form)
        enrich, _, prepare = cost(blocks, lines, redacted=False)
        with_redact = cost(blocks, lines, redacted=True)
        ratio = sum(with_redact) / (enrich + prepare)
        print(f"{name:20} {enrich:8.2f} {prepare:8.2f} {with_redact[1]:8.2f} {ratio:6.2f}")


if __name__ == "__main__":
    main()
