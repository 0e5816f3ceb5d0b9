"""The pages about incidents: how they stand in the ledger of the alert job, and their records."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from shipper.alerts.incident import Incident, Phase
from shipper.alerts.incidents.lifecycle import acknowledge, resolve
from shipper.alerts.incidents.muting import Silence, hold
from shipper.alerts.judge.decide import act as record
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.pages.explain import narrowed_to
from shipper.alerts.pages.runbooks import steps_of
from shipper.alerts.rules.reading import read_rules
from shipper.alerts.rules.summary import fill
from shipper.alerts.severity import Severity
from shipper.config.matchers import Comparison, Matcher
from shipper.errors import ConfigError
from shipper.text import duration, safe
from shipper.web.place import PagePlace
from shipper.web.zones import shown

if TYPE_CHECKING:
    from shipper.alerts.incidents.sla import Sla
    from shipper.alerts.rules.rule import Rule

OPEN: Final = (Phase.FIRING, Phase.ACKNOWLEDGED, Phase.PENDING)
ACTS: Final = {"ack": acknowledge, "resolve": resolve}
SILENCES: Final = {"1h": 3_600_000, "4h": 14_400_000, "24h": 86_400_000, "7d": 604_800_000}
OTHER_NAMES: Final = ("rule", "severity", "id", "host")  # of matchers
NOTE_CHARS: Final = 500
PAST_MS: Final = 30 * 86_400_000
MOST: Final = 200
BEFORE_MS: Final = 900_000  # shown before the window of an incident


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident in the list."""

    id: str
    severity: str
    state: str
    rule: str
    group: str
    summary: str  # the sentence of its rule
    reason: str
    opened: str
    lasted: str
    clock: str


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """What happened to an incident: when, what, by whom, and the note."""

    at: str
    what: str
    by: str
    note: str


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """One incident: its facts, what happened to it, its runbook and the address of its records."""

    row: IncidentRow
    facts: Sequence[tuple[str, str]]
    history: Sequence[HistoryRow]
    steps: Sequence[str]
    records: str
    errors: str
    rule: str  # the address of what its rule measured; empty where it has none
    silences: Sequence[tuple[str, str]]  # id, and what it says


@lru_cache(maxsize=4)
def _rules_of(folder: Path, _look: tuple[tuple[str, int, int], ...]) -> Mapping[str, Rule]:
    """Return the rules of a folder by name; read again when a file has changed."""
    return {rule.name: rule for rule in read_rules(folder).rules} if folder.is_dir() else {}


def _look(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return how the files of the rules are now."""
    found = []
    for path in sorted(folder.glob("*.yml")):
        try:
            state = path.stat()
        except OSError:
            continue
        found.append((path.name, state.st_mtime_ns, state.st_size))
    return tuple(found)


def silence_of(incident: Incident, by: str, note: str, now: int, lasts: int) -> Silence:
    """
    Return a silence for what an incident is about: its rule and its group, as they are.

    Wildcards in a value stand for themselves, for it may come from a log line. Where a field of the
    group has a name that matchers use for something else, the silence is for the incident alone.
    """
    pairs = [("rule", incident.rule), *incident.group]
    if any(field in OTHER_NAMES for field, _ in incident.group):
        pairs = [("id", incident.id)]
    matchers = tuple(Matcher(name, Comparison.IS, escape(value)) for name, value in pairs)
    return Silence(os.urandom(3).hex(), matchers, now, now + lasts, by, note)


def _covering(ledger: Ledger, incident: Incident, now: int) -> list[Silence]:
    return [each for each in ledger.silences.active(now=now) if hold(each.matchers, incident)]


def _one(ledger: Ledger, name: str) -> Incident:
    """Return the incident of an id, the whole of it; raise ConfigError where there is none."""
    for each in ledger.find(name):
        if each.id == name:
            return each
    raise _unknown(name)


def _unknown(name: str) -> ConfigError:
    return ConfigError(f"there is no incident {safe(name)[:60]}", "see the list")


def _history_of(ledger: Ledger, incident: Incident) -> list[HistoryRow]:
    """Return its transitions and what people did besides, oldest first."""
    made = [
        (each.decided_at, each.transition.change.value, each.transition.by, each.transition.note)
        for each in ledger.history(incident.id)
    ]
    made += [(each.at, each.kind.value, each.by, each.note) for each in ledger.acts.of(incident)]
    return [
        HistoryRow(
            shown(at),
            what.replace("_", " "),
            safe(by or "")[:100],
            "\n".join(map(safe, note.splitlines())),
        )
        for at, what, by, note in sorted(made, key=lambda each: each[0])
    ]


def _shown(silence: Silence) -> tuple[str, str]:
    """Return the id of a silence, and what it says."""
    about = " ".join(map(str, silence.matchers)) or "everything"
    until = shown(silence.end)
    why = f": {silence.comment}" if silence.comment else ""
    return silence.id, safe(f"{about} until {until} by {silence.by}{why}")[:1000]


@dataclass(frozen=True, slots=True)
class AlertPlaces:
    """Where the alert job has its ledger, its rules and runbooks, its time limits."""

    ledger: Path
    rules: Path
    runbooks: Path
    sla: Sla
    user: str  # who opens the printed link

    def incidents(self, now: int) -> tuple[list[IncidentRow], list[IncidentRow]] | None:
        """Return the open incidents and the last ended ones; None where no alert job has run."""
        if not self.ledger.exists():
            return None
        with closing(Ledger(self.ledger)) as ledger:
            found = ledger.incidents(OPEN)
            ended = ledger.incidents([Phase.RESOLVED], since=now - PAST_MS)
        order = list(Severity)  # what is muted has its cause above it
        found.sort(
            key=lambda each: (
                OPEN.index(each.phase),
                each.muted is not None,
                order.index(each.severity),
                -each.opened_at,
            )
        )
        ended.sort(key=lambda each: -(each.resolved_at or 0))
        return [self._row(each, now) for each in found], [self._row(e, now) for e in ended[:MOST]]

    def incident(self, prefix: str, now: int) -> IncidentPage:
        """Return the page of an incident; raise ConfigError where there is none of that id."""
        found: list[Incident] = []
        silences: list[Silence] = []
        if self.ledger.exists():
            with closing(Ledger(self.ledger)) as ledger:
                found = [each for each in ledger.find(prefix) if each.id == prefix]
                history = _history_of(ledger, found[0]) if found else []
                silences = _covering(ledger, found[0], now) if found else []
        if not found:
            raise ConfigError(f"there is no incident {safe(prefix)[:60]}", "see the list")
        incident = found[0]
        rule = self._rule(incident)
        window = incident.verdict.window
        until = min(now, max(window.end, incident.resolved_at or now))
        place = PagePlace("", "", min(incident.opened_at, window.start) - BEFORE_MS, until)
        steps = steps_of(rule.runbook, self.runbooks) if rule else ()
        return IncidentPage(
            self._row(incident, now),
            tuple(self._facts(incident)),
            history,
            [safe(step) for step in steps],
            place.link(q=narrowed_to(rule.asked if rule else "", incident.group, typed=True)),
            place.link(q=narrowed_to("level:ERROR OR level:CRITICAL", incident.group, typed=True)),
            place.link(f"/rules/{quote(incident.rule, safe='')}") if rule and rule.probes else "",
            [_shown(each) for each in silences],
        )

    def act(self, name: str, act: str, form: Mapping[str, str], now: int, by: str) -> None:
        """
        Acknowledge, resolve, note, silence or unsilence an incident, as `shipper alerts` does.

        The form has a `note`; to silence, how long (`for`); to unsilence, which (`silence`).

        Raises:
            ConfigError: there is no such incident, silence or act.
        """
        if not self.ledger.exists():
            raise _unknown(name)
        note = form.get("note", "").replace("\r\n", "\n")  # as browsers send lines
        with closing(Ledger(self.ledger)) as ledger:
            if act == "note":
                ledger.acts.note(_one(ledger, name), by, now, note)
                return
            note = note[:NOTE_CHARS]
            if act in ACTS:
                with ledger.deciding():
                    _, transitions = ACTS[act](_one(ledger, name), by, now, note)
                    record(ledger, transitions, now)
                return
            incident = _one(ledger, name)
            covering = [each.id for each in _covering(ledger, incident, now)]
            if act == "silence" and form.get("for") in SILENCES:
                lasts = SILENCES[form["for"]]
                ledger.silences.put(silence_of(incident, by, note, now, lasts))
            elif act == "unsilence" and form.get("silence") in covering:
                ledger.silences.end(form["silence"], by, now, note)
            else:
                raise ConfigError("this cannot be done to an incident", "open its page again")

    def _rule(self, incident: Incident) -> Rule | None:
        return _rules_of(self.rules, _look(self.rules)).get(incident.rule)

    def _summary(self, incident: Incident) -> str:
        """Return in words what is wrong; the reason where the rule is gone."""
        rule = self._rule(incident)
        return fill(rule.summary, incident.verdict) if rule else incident.verdict.reason

    def _row(self, incident: Incident, now: int) -> IncidentRow:
        begun = incident.opened_at if incident.fired_at is None else incident.fired_at
        state = incident.phase.value
        if incident.phase is Phase.FIRING and incident.muted:
            state = "muted"
        return IncidentRow(
            incident.id,
            incident.severity.value,
            state,
            incident.rule,
            ", ".join(f"{field}={safe(value)}" for field, value in incident.group)[:200],
            safe(self._summary(incident))[:500],
            safe(incident.verdict.reason)[:400],
            shown(incident.opened_at),
            duration(max(0, (incident.resolved_at or now) - begun) / 1000),
            self._clock(incident, now),
        )

    def _clock(self, incident: Incident, now: int) -> str:
        if incident.phase not in OPEN or incident.told_at is None:
            return ""
        is_answered = incident.acknowledged_at is not None
        limit = self.sla.resolve_by(incident) if is_answered else self.sla.respond_by(incident)
        what = "resolve" if is_answered else "acknowledge"
        left = ((limit or now) - now) / 1000
        return f"{what} in {duration(left)}" if left > 0 else f"{what}: {duration(-left)} over"

    def _facts(self, incident: Incident) -> Iterator[tuple[str, str]]:
        verdict = incident.verdict
        if verdict.value is not None and verdict.threshold is not None:
            yield "measured", f"{verdict.value:,.4g}, threshold {verdict.threshold:,.4g}"
        for name, at in (
            ("window from", verdict.window.start),
            ("window to", verdict.window.end),
            ("fired", incident.fired_at),
            ("notified", incident.told_at),
            ("acknowledge by", self.sla.respond_by(incident)),
            ("resolve by", self.sla.resolve_by(incident)),
            ("acknowledged", incident.acknowledged_at),
            ("resolved", incident.resolved_at),
        ):
            if at is not None:
                yield name, shown(at)
        for name, text in (
            ("muted", incident.muted),
            ("acknowledged by", incident.acknowledged_by),
            ("resolved by", incident.resolved_by),
        ):
            if text:
                yield name, safe(text)
