"""run and seq: every record has one origin, and no two have the same."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import queue
import re
import threading
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import Any

from shipper import emit
from shipper.emit.json_lines import JsonFormatter
from shipper.emit.numbering import Origin, origin_of
from shipper.emit.ulid import ulid
from tests.emit.emit_files import handler_for, origins, read, record_of


def test_a_ulid_sorts_by_time_and_has_26_characters() -> None:
    """A run is a ULID: 48 bits of milliseconds first, then 80 bits of chance, in base 32."""
    assert ulid(0, bytes(10)) == "0" * 26
    assert ulid(2**48 - 1, b"\xff" * 10) == "7" + "Z" * 25
    assert ulid(1, bytes(10)) > ulid(0, b"\xff" * 10)
    # The example of the ULID specification.
    assert ulid(1469918176385, bytes(10)).startswith("01ARYZ6S41")


def test_a_record_keeps_the_origin_that_it_got_first() -> None:
    """A record that is in two files has the same run and seq in both."""
    record = record_of()
    first = json.loads(JsonFormatter().format(record))
    second = json.loads(JsonFormatter().format(record))

    assert (first["run"], first["seq"]) == (second["run"], second["seq"])
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", first["run"])


def test_seq_counts_the_records_that_are_written(tmp_path: Path) -> None:
    """A record that no handler writes takes no seq: a gap is a record that was lost."""
    handler = handler_for(tmp_path / "app.log")
    handler.setLevel("WARNING")
    loud, quiet, again = record_of("a"), record_of("b"), record_of("c")
    loud.levelno = again.levelno = 30

    for record in (loud, quiet, again):
        if record.levelno >= handler.level:
            handler.handle(record)
    handler.close()

    one, two = read(tmp_path / "app.log")
    assert two["seq"] == one["seq"] + 1


def test_an_extra_cannot_forge_an_origin() -> None:
    """The origin on a record counts only if it was put there by numbering itself."""
    record = record_of()
    record.__dict__["_emit_origin"] = ("FORGED", 1)

    assert isinstance(origin_of(record), Origin)


def test_copies_of_a_record_have_one_origin(tmp_path: Path) -> None:
    """One queue per file: every QueueHandler copies the record before anybody writes it."""
    logger = logging.getLogger("tests.copies")
    logger.propagate = False
    listeners = []
    for name in ("app.log", "error.log"):
        waiting: queue.Queue[logging.LogRecord] = queue.Queue()
        listeners.append(QueueListener(waiting, handler_for(tmp_path / name)))
        logger.addHandler(QueueHandler(waiting))
        listeners[-1].start()

    with emit.bind(request_id="r-1", tenant="acme"):
        for number in range(500):
            logger.error("order %d failed", number)
    for listener, handler in zip(listeners, logger.handlers[:], strict=True):
        logger.removeHandler(handler)
        listener.stop()
        listener.handlers[0].close()

    one, other = read(tmp_path / "app.log"), read(tmp_path / "error.log")
    assert [(r["message"], r["run"], r["seq"]) for r in one] == [
        (r["message"], r["run"], r["seq"]) for r in other
    ]
    numbers = sorted(record["seq"] for record in one)
    assert numbers == [*range(numbers[0], numbers[0] + 500)]
    assert {(record["request_id"], record["tenant"]) for record in one} == {("r-1", "acme")}


def test_a_record_that_goes_to_another_process(tmp_path: Path) -> None:
    """It takes its number with it, or gets one where it is written: none is left unused."""
    JsonFormatter()
    logger = logging.getLogger("tests.copies")
    numbered, plain = (logger.makeRecord("x", 20, "f", 1, "m", (), None) for _ in range(2))
    origin = origin_of(numbered)

    assert origin_of(pickle.loads(pickle.dumps(numbered))) == origin
    arrived = pickle.loads(pickle.dumps(plain))
    assert origin_of(arrived).seq == origin.seq + 1
    assert origin_of(copy.deepcopy(plain)) == origin_of(plain)


def test_the_factory_of_the_application_is_kept() -> None:
    """Records are marked on top of what the application makes of them, once."""
    before = logging.getLogRecordFactory()

    def with_host(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = logging.LogRecord(*args, **kwargs)
        record.host = "web-1"
        return record

    logging.setLogRecordFactory(with_host)
    try:
        JsonFormatter()
        factory = logging.getLogRecordFactory()
        JsonFormatter()
        assert logging.getLogRecordFactory() is factory
        line = JsonFormatter().format(record_of())
    finally:
        logging.setLogRecordFactory(before)
    assert json.loads(line)["host"] == "web-1"


def test_threads_share_a_run_without_sharing_a_seq(tmp_path: Path) -> None:
    """Every number is given once, however many threads log."""
    handler = handler_for(tmp_path / "app.log")

    def work() -> None:
        for _ in range(200):
            handler.handle(record_of())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.close()

    found = origins(tmp_path / "app.log")
    assert len(found) == 800
    assert set(found.values()) == {1}
    assert len({run for run, _ in found}) == 1


def test_a_forked_child_starts_a_run_of_its_own(tmp_path: Path) -> None:
    """A child has another run, which starts at 0, and its lines do not disturb the parent's."""
    handler = handler_for(tmp_path / "app.log")
    handler.handle(record_of("parent"))

    child = os.fork()
    if child == 0:
        handler.handle(record_of("child"))
        handler.handle(record_of("child"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    handler.handle(record_of("parent"))
    handler.close()

    before, first, second, after = read(tmp_path / "app.log")
    assert before["run"] == after["run"] != first["run"] == second["run"]
    assert after["seq"] == before["seq"] + 1
    assert (first["seq"], second["seq"]) == (0, 1)
