"""`shipper audit`: account for every record that was written."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from shipper.agent import positions
from shipper.agent.requests import RereadRequest
from shipper.audit.collect import take_account
from shipper.audit.deep import compare_files
from shipper.audit.examine import examine
from shipper.audit.result import AuditResult, DeepResult, save
from shipper.commands.invocation import Invocation, examples, invoked, json_option
from shipper.commands.moments import duration_option, moment_option
from shipper.config.main import load
from shipper.config.outputs import EmbeddedOutput, LogstashOutput
from shipper.errors import StoreUnavailable
from shipper.process import data_folder
from shipper.registry.snapshot import read_known_files
from shipper.store.fleet import read_fleet
from shipper.store.opening import store_of
from shipper.text import Paint, counted
from shipper.view.audit import audit_json, audit_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.config.main import Config
    from shipper.store.origins import OriginStore

CLOSES, DOES_NOT_CLOSE = 0, 1
POLL_SECONDS = 1.0  # between two searches for records that are acked but not found yet

# How long an acked record may take to become searchable, without a heartbeat as evidence.
SEARCHABLE_MS = {EmbeddedOutput: 0, LogstashOutput: 30_000}
DEFAULT_SEARCHABLE_MS = 3000


@click.command(
    epilog=examples(
        *("shipper audit", "shipper audit --since 7d --json", "shipper audit --repair"),
        "shipper audit --deep",
    )
)
@moment_option("--since", "Check records delivered since this time.", default="1d")
@json_option("Print one JSON object.")
@click.option("--repair", is_flag=True, help="Send lost records again, remove duplicate copies.")
@click.option("--deep", is_flag=True, help="Also read the files, and look up every line of them.")
@duration_option(
    "--wait", "How long to wait for records on their way, and for a repair.", default="60s"
)
@invoked
def audit(  # noqa: PLR0913 -- the options of the command
    invocation: Invocation, *, since: int, as_json: bool, repair: bool, deep: bool, wait: int
) -> int:
    """
    Account for every record that was written.

    Looks up every record in the store: it is indexed once, stored as text, a dead letter, waiting
    in its file, dropped on purpose, or lost. Also lists records that are stored twice, and numbers
    missing in the files. Exits with 1 if records are lost or doubled, with 3 if the store cannot
    be checked now.
    """
    config = load(invocation.config)
    with closing(store_of(config)) as store:
        auditor = Auditor(config, store, invocation.clock, wait)
        result = auditor.audit(since)
        notes: list[str] = []
        if repair and not result.closes:
            notes = auditor.repair(result)
            result = auditor.audit(since, patient=auditor.is_running)
        if deep:
            result = replace(result, deep=auditor.read_files(since))
    save(config.data_dir / data_folder.AUDIT, result, invocation.now())
    if as_json:
        click.echo(audit_json(result, notes))
    else:
        click.echo("\n".join(audit_text(result, notes, Paint(invocation.colors))))
    return CLOSES if result.closes else DOES_NOT_CLOSE


@dataclass(frozen=True, slots=True)
class Auditor:
    """Audits and repairs; waits for records on their way, up to `wait` milliseconds."""

    config: Config
    store: OriginStore
    clock: Callable[[], float]
    wait: int

    @property
    def is_running(self) -> bool:
        """Return whether a shipper is running on the data folder."""
        return data_folder.holder_of(self.config.data_dir) is not None

    def audit(self, since: int, *, patient: bool = False) -> AuditResult:
        """
        Audit; search again while missing records may still be on their way.

        With `patient`, also wait for a repair.

        Raises:
            StoreUnavailable: the store cannot be read, or acked records may still be on their way.

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
                    f"{counted(result.lost_count, 'acked record')} not found, and no newer"
                    " heartbeat has arrived: they may still be on their way through Logstash",
                    "see shipper fleet, and audit again later",
                )
            time.sleep(POLL_SECONDS)
            result = examine(self.store, account)
        return result

    def read_files(self, since: int) -> DeepResult:
        """
        Compare the files with the store; again while a line may not be searchable yet.

        Raises:
            StoreUnavailable: the store cannot be read now.

        """
        started = int(self.clock() * 1000)
        letters = take_account(self.config, since).letters
        result = compare_files(self.config, self.store, letters)
        while result.missing:
            waited = int(self.clock() * 1000) - started
            if waited >= self.wait or self._is_settled(started, waited):
                break
            time.sleep(POLL_SECONDS)
            result = compare_files(self.config, self.store, letters)
        return result

    def _is_settled(self, started: int, waited: int) -> bool:
        """Return whether every record acked by the start is searchable now, if it is stored."""
        shown = SEARCHABLE_MS.get(type(self.config.output), DEFAULT_SEARCHABLE_MS)
        if waited < min(shown, self.wait):
            return False
        if not isinstance(self.config.output, LogstashOutput):
            return True
        if not (self.config.heartbeat.enabled and self.is_running):
            return True
        host = self.config.host.name
        beats = read_fleet(self.store, since=started - 1)
        return any(beat.host == host and beat.at > started for beat in beats)

    def repair(self, result: AuditResult) -> list[str]:
        """Send lost records again and remove copies; return what was done and what was not."""
        notes = []
        if result.lost:
            notes += self._read_again(result)
        if result.doubled:
            removed = self.store.remove_doubles(result.doubled)
            notes.append(f"{counted(removed, 'copy', 'copies')} removed")
        return notes

    def _read_again(self, result: AuditResult) -> list[str]:
        registry = read_known_files(self.config.data_dir / data_folder.REGISTRY)
        paths = {record.id: record.path for record in registry}
        starts: dict[str, int] = {}
        notes = []
        for lost in result.lost:
            path = paths.get(lost.file)
            if path is None:
                records = counted(lost.count, "record")
                notes.append(f"{lost.path}: file is gone, {records} cannot be sent again")
            else:
                starts[path] = min(lost.start, starts.get(path, lost.start))
        if not starts:
            return notes
        request = RereadRequest(starts)
        if self.is_running:
            outcomes = positions.hand_over(self.config, request, self.clock, self.wait / 1000)
        else:
            outcomes = positions.change(self.config, request, int(self.clock() * 1000))
            notes.append("no shipper is running: records are sent again at the next start")
        for each in outcomes:
            done = f"read again from byte {starts.get(each.subject, 0)}"
            notes.append(f"{each.subject}: {each.fault or done}")
        return notes
