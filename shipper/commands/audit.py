"""`shipper audit`: every record that was written, accounted for."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from shipper.agent import positions
from shipper.agent.requests import Reread
from shipper.audit.collect import take_account
from shipper.audit.examine import examine
from shipper.audit.result import Result, save
from shipper.commands.invocation import Invocation, common_options, examples
from shipper.commands.moments import as_duration, as_moment
from shipper.config.main import EmbeddedOutput, LogstashOutput, load
from shipper.errors import StoreUnavailable
from shipper.process import data_folder
from shipper.registry.registry import files_beside
from shipper.store.fleet import read_fleet
from shipper.store.opening import store_of
from shipper.text import Paint
from shipper.view.audit import audit_json, audit_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.config.main import Config
    from shipper.store.origins import OriginStore

CLOSES, DOES_NOT_CLOSE = 0, 1
LOOK_SECONDS = 1.0  # between two looks for what is acked and not to be found yet

# How long an acked record may take until it can be found, where no heartbeat tells.
SHOWN_MS = {EmbeddedOutput: 0, LogstashOutput: 30_000}
USUALLY_SHOWN_MS = 3000


@click.command(
    epilog=examples("shipper audit", "shipper audit --since 7d --json", "shipper audit --repair")
)
@click.option(
    "--since",
    callback=as_moment,
    metavar="T",
    default="1d",
    show_default=True,
    help="What was delivered since then.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--repair", is_flag=True, help="Send again what is lost, remove doubles.")
@click.option(
    "--wait",
    callback=as_duration,
    metavar="D",
    default="60s",
    show_default=True,
    help="How long to wait for what is on its way, and for a repair.",
)
@common_options
@click.pass_obj
def audit(invocation: Invocation, *, since: int, as_json: bool, repair: bool, wait: int) -> int:
    """
    Account for every record that was written.

    What the shipper read is looked up in the store, record by record: indexed once, stored as
    text, a dead letter, waiting in its file, given up on purpose, or lost. Names records that are
    there twice, and the numbers that the application never wrote. Exits with 1 if the sum does not
    close, with 3 if that cannot be told now.
    """
    config = load(invocation.config)
    with closing(store_of(config)) as store:
        auditor = Auditor(config, store, invocation.clock, wait)
        result = auditor.audit(since)
        notes: list[str] = []
        if repair and not result.closes:
            notes = auditor.repair(result)
            result = auditor.audit(since, patient=auditor.is_running)
    save(config.data_dir / data_folder.AUDIT, result, invocation.now())
    if as_json:
        click.echo(audit_json(result, notes))
    else:
        click.echo("\n".join(audit_text(result, notes, Paint(invocation.colors))))
    return CLOSES if result.closes else DOES_NOT_CLOSE


@dataclass(frozen=True, slots=True)
class Auditor:
    """Audits, waits and repairs; `wait` is in milliseconds."""

    config: Config
    store: OriginStore
    clock: Callable[[], float]
    wait: int

    @property
    def is_running(self) -> bool:
        """Tell whether a shipper is at work on the data folder."""
        return data_folder.holder_of(self.config.data_dir) is not None

    def audit(self, since: int, *, patient: bool = False) -> Result:
        """
        Audit; look again while what is not found may still be on its way.

        With `patient`, wait for a repair as well.

        Raises:
            StoreUnavailable: the store cannot be asked, or what was acked cannot be judged yet.

        """
        started = int(self.clock() * 1000)
        account = take_account(self.config, since)
        result = examine(self.store, account)
        while result.lost:
            waited = int(self.clock() * 1000) - started
            settled, over = self._is_settled(started, waited), waited >= self.wait
            if settled and (over or not patient):
                return result
            if over:
                raise StoreUnavailable(
                    f"{result.lost_count:,} acked records cannot be found, and no heartbeat has"
                    " come the same way since: they may be on their way, as while Logstash is"
                    " blocked; see shipper fleet, and audit again"
                )
            time.sleep(LOOK_SECONDS)
            result = examine(self.store, account)
        return result

    def _is_settled(self, started: int, waited: int) -> bool:
        """Tell whether all that was acked at the start can be found by now, if it is there."""
        shown = SHOWN_MS.get(type(self.config.output), USUALLY_SHOWN_MS)
        if waited < min(shown, self.wait):
            return False
        if not isinstance(self.config.output, LogstashOutput):
            return True
        if not (self.config.heartbeat.enabled and self.is_running):
            return True
        host = self.config.host.name
        beats = read_fleet(self.store, since=started - 1)
        return any(beat.host == host and beat.at > started for beat in beats)

    def repair(self, result: Result) -> list[str]:
        """Have lost records read again, remove copies; say what was done and what cannot be."""
        notes = []
        if result.lost:
            notes += self._read_again(result)
        if result.doubled:
            removed = self.store.remove_doubles(result.doubled)
            notes.append(f"{removed:,} copies were removed")
        return notes

    def _read_again(self, result: Result) -> list[str]:
        registry = files_beside(self.config.data_dir / data_folder.REGISTRY)
        paths = {record.id: record.path for record in registry}
        starts: dict[str, int] = {}
        notes = []
        for lost in result.lost:
            path = paths.get(lost.file)
            if path is None:
                notes.append(f"{lost.path}: is gone, {lost.count:,} records of it cannot be sent")
            else:
                starts[path] = min(lost.start, starts.get(path, lost.start))
        if not starts:
            return notes
        request = Reread(starts)
        if self.is_running:
            outcomes = positions.hand_over(self.config, request, self.clock, self.wait / 1000)
        else:
            outcomes = positions.change(self.config, request, int(self.clock() * 1000))
            notes.append("no shipper is running: it is sent at the next start")
        told = (
            each.fault or f"is read again from byte {starts.get(each.subject, 0)}"
            for each in outcomes
        )
        return notes + [
            f"{each.subject}: {text}" for each, text in zip(outcomes, told, strict=True)
        ]
