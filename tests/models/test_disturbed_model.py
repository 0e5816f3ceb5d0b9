"""
The model of delivery, with what breaks the identity of files and lines.

Beside what test_delivery_model.py draws: writers that don't reopen, logs that are moved away or
edited, files written anew with the same bytes, holes, clocks that are set, folders that are away,
disks with another number, a FIFO in place of a log, a registry that is lost, several inputs, a
config that is read again, records refused for good.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Any, BinaryIO

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from shipper.process import data_folder
from tests.models.delivery import Crash
from tests.models.test_delivery_model import Delivery, Inode, play, run_schedules

TICK = "backup finished, 0 errors"
HOUR_MS = 3_600_000


class Disturbed(Delivery):
    """One folder of logs, whose files are not what they were."""

    def __init__(self) -> None:
        super().__init__()
        self.writer: tuple[BinaryIO, Inode] | None = None
        self.away = 0
        self.edited: set[int] = set()  # stand in a file that was edited
        self.ticks = 0  # how often the report was written
        self.may_be_old = False  # whether the next one may be one that is stored
        self.ticks_owed = 0  # of these, so many have to be stored
        self.has_new_tick = False
        self.is_set_back = False  # the clock, and no scan has noticed
        self.was_off_then = False

    @initialize(
        absorbing=st.booleans(),
        emit=st.booleans(),
        dated=st.booleans(),
        inputs=st.sampled_from([1, 2]),
    )
    def begin(self, *, absorbing: bool, emit: bool, dated: bool = True, inputs: int = 1) -> None:
        self.launch(absorbing=absorbing, emit=emit, dated=dated, inputs=inputs)
        self.shipper.read()  # a clock that is set after a scan is noticed

    # A writer that does not reopen its log.

    @precondition(lambda self: "app.log" in self.names)
    @rule()
    def keep_open(self) -> None:
        self.let_go()
        self.writer = self.live.open("ab", buffering=0), self.names["app.log"]

    @rule()
    def let_go(self) -> None:
        if self.writer is not None:
            self.writer[0].close()
            self.writer = None

    @precondition(lambda self: self.writer is not None)
    @rule(lines=st.integers(1, 6))
    def write_late(self, lines: int) -> None:
        assert self.writer is not None
        out, file = self.writer
        if file.half is not None:
            out.write(b"\n")
            file.half = None
        is_there = any(file is each for each in (*self.names.values(), *self.nameless))
        for _ in range(lines):
            out.write(self.line(self.count))
            self.whole.add(self.count)
            if is_there:
                file.records.append(self.count)
            else:
                self.excused.add(self.count)
            self.count += 1

    @precondition(lambda self: "app.log" in self.names)
    @rule()
    def move_away(self) -> None:
        """Do as logrotate with `olddir`: to where no pattern leads."""
        old = self.folder / "old"
        old.mkdir(exist_ok=True)
        self.away += 1
        self.take_away("app.log", lambda: self.live.rename(old / f"app.log-{self.away}"))

    def take_away(self, name: str, how: object) -> None:
        held = (self.logs / name).stat().st_nlink > 1
        assert callable(how)
        how()
        file = self.names.pop(name)
        if held:
            self.nameless.append(file)
        else:
            self.lose(file)

    # Files that are written by other means.

    @precondition(lambda self: (self.dated or self.emit) and self.lines_of_live())
    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        """Do as `sed -i`: take a line out of the log."""
        old = self.names["app.log"]
        index = data.draw(st.integers(0, len(old.records) - 1))
        lines = self.live.read_bytes().splitlines(keepends=True)
        text = f"record {old.records[index]} ".encode()
        new = self.folder / "sed"
        new.write_bytes(b"".join(line for line in lines if text not in line))
        held = self.live.stat().st_nlink > 1
        new.rename(self.live)
        self.edited |= {*old.records}
        self.names["app.log"] = self.copy_of(old)
        del self.names["app.log"].records[index]
        if held:
            self.nameless.append(old)
        else:
            self.lose(old)

    def lines_of_live(self) -> bool:
        file = self.names.get("app.log")
        return file is not None and bool(file.records)

    @precondition(lambda self: "app.log" in self.names)
    @rule()
    def truncate_under_its_writer(self) -> None:
        """A writer that does not append goes on where it was: a hole."""
        size = self.live.stat().st_size
        self._truncate()
        with self.live.open("r+b") as out:
            out.seek(size)
            out.write(self.line(self.count))
        self.add(self.names["app.log"], self.count)
        self.count += 1

    @rule()
    def report(self) -> None:
        """Do as `job > cron.log`: the same bytes as the last time."""
        path = self.logs / "cron.log"
        path.write_text(f"{TICK}\n")
        self.ticks += 1
        stat = path.stat()
        later = stat.st_mtime_ns + self.ticks * 10**9
        os.utime(path, ns=(later, later))
        self.has_new_tick = True

    def ticks_stored(self) -> int:
        return sum(text.strip() == TICK or f'"{TICK}' in text for text in self.store.messages())

    @rule()
    def read(self) -> None:
        super().read()
        if self.shipper.pipeline is not None:
            self.is_set_back = self.was_off_then = False
        if self.read_now and self.has_new_tick and not self.clock.set_ahead < 0:
            # What was stored but not saved before a crash may have been these bytes: nothing that
            # is left says when they were written.
            self.ticks_owed += not self.may_be_old
            self.has_new_tick = self.may_be_old = False

    # The machine, and whoever runs it.

    def has_crashed(self) -> None:
        super().has_crashed()
        self.ticks_owed = min(self.ticks_owed, self.ticks_stored())
        self.may_be_old = self.ticks_stored() > 0
        if self.is_set_back:
            self.was_off_then = True
            self.excuse_archives()

    @rule(hours=st.sampled_from([-25, 25]))
    def set_clock(self, hours: int) -> None:
        self.clock.set_ahead += hours * HOUR_MS
        self.is_set_back = hours < 0
        self.was_off_then = self.was_off_then or (hours < 0 and self.shipper.pipeline is None)

    @precondition(lambda self: "app.log.1" in self.names)
    @rule()
    def compress(self) -> None:
        super().compress()
        if self.was_off_then:
            self.excuse_archives()

    def excuse_archives(self) -> None:
        """Some look as if they were older than the first start."""
        archived = {n for name, f in self.names.items() if name.endswith(".gz") for n in f.records}
        self.excused |= archived - {*self.store.stored()}

    @rule(hours=st.sampled_from([0, 25]))
    def folder_is_away(self, hours: int) -> None:
        away = self.folder / "away"
        self.logs.rename(away)
        try:
            self.clock.set_ahead += hours * HOUR_MS
            self.attempt("read")
        finally:
            away.rename(self.logs)

    @rule()
    def lose_registry(self) -> None:
        self.has_crashed()
        for path in (self.folder / "data").glob("registry.*"):
            path.unlink()
        self.saved = set()
        self.forgotten |= self.whole
        for file in (*self.names.values(), *self.nameless):
            if file.made_of_another:  # that there was one before, only the registry knew
                self.copied |= {*file.records}
        self.excuse_archives()
        self.ticks_owed = max(self.ticks_owed - 1, 0)  # the report may be a new one of old bytes
        self.shipper.start()  # again the first time: only what is compressed from now on is read

    @rule()
    def reboot_with_another_device_number(self) -> None:
        self.has_crashed()
        if (
            not self.dated
        ):  # a copy of what has neither the inode nor a time may be a log of its own
            self.forgotten |= {*range(self.count)}
        registry = sqlite3.connect(self.folder / "data" / data_folder.REGISTRY)
        with closing(registry), registry:
            registry.execute("UPDATE files SET device = CAST(device AS INTEGER) + 1")

    @precondition(lambda self: "app.log" in self.names)
    @rule()
    def swap_with_a_fifo(self) -> None:
        """A scan meets something else than a file under the name of the log."""
        away = self.folder / "swapped"
        self.live.rename(away)
        os.mkfifo(self.live)
        try:
            self.attempt("read")
        finally:
            away.rename(self.live)

    @rule(swap=st.booleans())
    def reload(self, *, swap: bool) -> None:
        self.shipper.start()
        self.excused |= (self.gone & self.read_now) - {*self.store.stored()}
        self.ticks_owed = min(self.ticks_owed, self.ticks_stored())
        try:
            self.shipper.reload(swap=swap)
        except Crash:
            self.has_crashed()
            return
        if swap:
            self.read_now = set()  # what was not acked is read again, from where it stands by then

    @rule(faults=st.lists(st.sampled_from(["reject", "half", "refuse"]), max_size=4))
    def refuse_for_good(self, faults: list[str]) -> None:
        self.store.faults = faults

    def teardown(self) -> None:
        self.let_go()
        super().teardown()

    def check(self) -> None:
        super().check()
        stored = self.ticks_stored()
        assert self.ticks_owed <= stored <= self.ticks, (self.ticks_owed, stored, self.ticks)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_random_schedules(request: pytest.FixtureRequest) -> None:
    """Whatever breaks the identity of files, no line that could be read is lost or doubled."""
    run_schedules(Disturbed, request)


def test_one_of_each() -> None:
    """Every operation once: what the schedules draw can be carried out."""
    play(
        {"absorbing": False, "emit": False},
        ("report", {}),
        ("write", {"lines": 3}),
        ("read_publish_and_save", {}),
        ("report", {}),
        ("keep_open", {}),
        ("move_away", {}),
        ("write", {"lines": 3}),
        ("read_publish_and_save", {}),
        ("wait", {"seconds": 6}),
        ("read_publish_and_save", {}),
        ("write_late", {"lines": 2}),
        ("folder_is_away", {"hours": 25}),
        ("refuse_for_good", {"faults": ["reject", "reject"]}),
        ("truncate_under_its_writer", {}),
        ("reload", {"swap": True}),
        ("read_publish_and_save", {}),
        ("set_clock", {"hours": -25}),
        ("reboot_with_another_device_number", {}),
        ("swap_with_a_fifo", {}),
        ("lose_registry", {}),
        machine=Disturbed,
    )


def test_compressed_after_the_clock_was_set_back() -> None:
    """Kept: the gzip seemed to be older than the first start, and was left alone."""
    play(
        {"absorbing": False, "emit": False},
        ("write", {"lines": 1}),
        ("set_clock", {"hours": -25}),
        ("copytruncate", {}),
        ("compress", {}),
        machine=Disturbed,
    )


@pytest.mark.parametrize("then", [("reload", {"swap": False}), ("restart", {})])
def test_compressed_after_the_clock_was_set_back_under_a_shipper(
    then: tuple[str, dict[str, Any]],
) -> None:
    """Kept: a reload, and a restart, took the first start for as late as before."""
    play(
        {"absorbing": False, "emit": False, "dated": False},
        ("set_clock", {"hours": -25}),
        ("read_publish_and_save", {}),
        ("write", {"lines": 1}),
        ("copytruncate", {}),
        ("compress", {}),
        ("wait", {"seconds": 6}),
        then,
        machine=Disturbed,
    )


class Drawn:
    """What a rule draws, as given."""

    def __init__(self, value: object) -> None:
        self.draw = lambda *_arguments: value


def test_edited_between_two_reboots() -> None:
    """Kept: the record of the edited log was passed over, and one of before was read on."""
    play(
        {"absorbing": False, "emit": False, "dated": True},
        ("write", {"lines": 5}),
        ("read_publish_and_save", {}),
        ("edit", {"data": Drawn(4)}),
        ("read_publish_and_save", {}),
        ("reboot_with_another_device_number", {}),
        ("write", {"lines": 3}),
        ("read_publish_and_save", {}),
        ("reboot_with_another_device_number", {}),
        ("write", {"lines": 2}),
        machine=Disturbed,
    )


def test_edited_twice() -> None:
    """Kept: the log was compared with the first of those whose place it took."""
    play(
        {"absorbing": False, "emit": False, "dated": True},
        ("write", {"lines": 5}),
        ("read_publish_and_save", {}),
        ("edit", {"data": Drawn(4)}),
        ("write", {"lines": 1}),
        ("read_publish_and_save", {}),
        ("edit", {"data": Drawn(0)}),
        machine=Disturbed,
    )
