"""
The security audit of a period: what access records say about who tried what.

Each finding is a count over thresholds that are stated, with the query that shows it. None of it is
proof: a client may be many people behind one address, and one person may have many. What a client
chooses (path, user agent, user name) is shown as text and cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shipper.reports.document import (
    ReportBlock,
    ReportSection,
    ReportTable,
    ReportText,
    State,
    cut,
)
from shipper.reports.error_groups import quoted
from shipper.reports.glance import named
from shipper.reports.measure import REQUESTS
from shipper.reports.periods import HOUR_MS, Period
from shipper.reports.sources import ReportSources
from shipper.store.api import (
    Aggregation,
    Bucket,
    DateHistogram,
    Question,
    Selection,
    Store,
    Terms,
    buckets_of,
)

LOGINS_FAILED: Final = "event.category:authentication AND level:IN [WARNING ERROR CRITICAL]"
DENIED: Final = f"{REQUESTS} AND status_code:401"
GUESSES: Final = 20  # refused log-ins of one client within an hour
USER_GUESSES: Final = 20  # of one user name within an hour
STORM: Final = 50  # answers of one status within five minutes, and ten times the usual
STORM_TIMES: Final = 10
FLOOD: Final = 600  # requests of one client within a minute: ten a second
SCANNED: Final = 5  # requests of one client for paths that scanners look for
KNOWN_MS: Final = 90 * 86_400_000  # before the period: a client seen then is not new
SLOT_MS: Final = 300_000
MINUTE_MS: Final = 60_000
MOST_ROWS: Final = 15
MOST_CLIENTS: Final = 1000  # that are compared with those before
NAMED_AT_ONCE: Final = 200  # clients that one query names

SCANS: Final = (
    *("*.php", "*.asp", "*.aspx", "*.jsp", "*.cgi", "*/.env*", "*/.git*", "*/.svn*", "*/.aws*"),
    *("*/.ssh*", "*/.htaccess*", "*/wp-*", "*/phpmyadmin*", "*/cgi-bin*", "*/etc/passwd*"),
    *("*../*", "*..%2f*", "*/actuator*", "*/solr/*", "*/boaform*", "*/HNAP1*", "*/vendor/phpunit*"),
)
TOOLS: Final = (
    *("*sqlmap*", "*nikto*", "*nmap*", "*masscan*", "*zgrab*", "*nuclei*", "*gobuster*"),
    *("*dirbuster*", "*feroxbuster*", "*wpscan*", "*hydra*", "*acunetix*", "*nessus*", "*jndi:*"),
)


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """
    One kind of finding: what it is, its table, and the command that shows the records.

    `headline` says what was found in a sentence, empty if nothing was.
    """

    title: str
    table: ReportTable
    command: ReportText
    headline: str = ""


def security_section(
    sources: ReportSources, period: Period, sensitive: Sequence[str]
) -> ReportSection:
    """Return the security audit of a period."""
    audit = _Audit(sources, period)
    findings = [
        audit.guessing("client", DENIED, "client_ip", GUESSES),
        audit.guessing("user", LOGINS_FAILED, "extra.username", USER_GUESSES),
        audit.new_clients(sensitive),
        audit.scans(),
        audit.storms(),
        audit.tools(),
        audit.floods(),
    ]
    blocks: list[ReportBlock] = []
    for finding in findings:
        blocks += [
            ReportText(text=finding.title),
            finding.table,
            finding.command,
        ]
    if not audit.store.count(Selection(REQUESTS, period.since, period.until)):
        text = "No access record of this time is stored, so nobody knows who tried what."
        blocks = [ReportText(text=text, state=State.ATTENTION)]
    lines = [ReportText(text=f.headline, state=State.ATTENTION) for f in findings if f.headline]
    title = "Security audit of access logs"
    return ReportSection(title=title, blocks=tuple(blocks), headlines=tuple(lines))


@dataclass(frozen=True, slots=True)
class _Audit:
    """The questions of the audit about one period."""

    sources: ReportSources
    period: Period

    @property
    def store(self) -> Store:
        return self.sources.store

    def ask(self, query: str, **aggregations: Aggregation) -> Mapping[str, Sequence[Bucket]]:
        """Return the buckets of each aggregation."""
        selection = Selection(query, self.period.since, self.period.until)
        (answer,) = self.store.ask([Question(selection, aggregations)])
        return {name: buckets_of(answer, name).buckets for name in aggregations}

    def finding(  # noqa: PLR0913, PLR0917 - what it is made of
        self,
        title: str,
        query: str,
        columns: tuple[str, ...],
        rows: Sequence[tuple[str, ...]],
        by: Sequence[str],
        headline: str,
    ) -> AuditFinding:
        """Return a finding, whose rows all need attention; `headline` takes a row's cells."""
        table = ReportTable(
            columns=columns,
            rows=tuple(rows[:MOST_ROWS]),
            right=frozenset(n for n, name in enumerate(columns) if name in _NUMBERS),
            states=(State.ATTENTION,) * len(rows[:MOST_ROWS]),
            empty="nothing found",
        )
        words, _, each = headline.partition(": ")
        found = f"{words}: {named([each.format(*row) for row in rows])}." if rows else ""
        return AuditFinding(title, table, self.sources.records_of(query, self.period, by), found)

    def guessing(self, who: str, query: str, field: str, most: int) -> AuditFinding:
        """Return who failed to log in very often within an hour."""
        hours = DateHistogram(HOUR_MS, filled=False)
        found = self.ask(query, who=Terms(field, 200, {"hours": hours}))["who"]
        rows = []
        for bucket in found:
            times = buckets_of(bucket, "hours").buckets
            worst = max(times, key=lambda hour: hour.count)
            if worst.count >= most:
                hour = self.sources.local(int(worst.key))
                rows.append((cut(str(bucket.key)), f"{bucket.count:,}", f"{worst.count:,}", hour))
        title = f"Failed log-ins by {who}: {most} and more within an hour (password guessing)."
        headline = f"Password guessing by {who}: {{0}} failed {{2}} times within an hour ({{3}})"
        columns = (who, "failed", "in an hour", "hour")
        return self.finding(title, query, columns, rows, [field], headline)

    def new_clients(self, paths: Sequence[str]) -> AuditFinding:
        """Return clients on sensitive paths that were not seen in the 90 days before."""
        query = f"{REQUESTS} AND status_code:<400 AND {_any('path', paths)}"
        found = self.ask(query, who=Terms("client_ip", MOST_CLIENTS))["who"]
        known = self._known([str(bucket.key) for bucket in found])
        new = [bucket for bucket in found if str(bucket.key) not in known]
        rows = [(cut(str(bucket.key)), f"{bucket.count:,}") for bucket in new]
        title = (
            f"New clients on sensitive paths, {len(new):,} of {len(found):,}: answered there, and "
            "without a request in the 90 days before."
        )
        headline = "New clients on sensitive paths: {0}"
        made = self.finding(title, query, ("client", "requests"), rows, ["client_ip"], headline)
        if self._has_past():
            return made
        table = ReportTable(
            columns=(), rows=(), empty="no records before this time: every client would be new"
        )
        return AuditFinding("New clients on sensitive paths.", table, made.command)

    def _has_past(self) -> bool:
        return self.store.count(self._before(REQUESTS)) > 0

    def _before(self, query: str) -> Selection:
        return Selection(query, self.period.since - KNOWN_MS, self.period.since)

    def _known(self, clients: Sequence[str]) -> set[str]:
        known: set[str] = set()
        for start in range(0, len(clients), NAMED_AT_ONCE):
            query = f"{REQUESTS} AND {_any_of('client_ip', clients[start : start + NAMED_AT_ONCE])}"
            asked = {"who": Terms("client_ip", NAMED_AT_ONCE)}
            (answer,) = self.store.ask([Question(self._before(query), asked)])
            known |= {str(bucket.key) for bucket in buckets_of(answer, "who").buckets}
        return known

    def scans(self) -> AuditFinding:
        """Return clients that asked for what scanners look for."""
        query = f"{REQUESTS} AND {_any('path', SCANS)}"
        found = self.ask(query, who=Terms("client_ip", 200, {"paths": Terms("path", 3)}))["who"]
        rows = [
            (cut(str(bucket.key)), f"{bucket.count:,}", cut(", ".join(_keys(bucket, "paths"))))
            for bucket in found
            if bucket.count >= SCANNED
        ]
        title = f"Scans: {SCANNED} and more requests for paths that scanners look for."
        columns = ("client", "requests", "most frequent paths")
        headline = "Scans for known paths: {0} ({1} requests)"
        return self.finding(title, query, columns, rows, ["client_ip"], headline)

    def storms(self) -> AuditFinding:
        """Return five minutes with very many refusals."""
        query = f"{REQUESTS} AND status_code:IN [401 403 429]"
        slots = DateHistogram(SLOT_MS, filled=False)
        rows = []
        for status in self.ask(query, codes=Terms("status_code", 3, {"slots": slots}))["codes"]:
            times = buckets_of(status, "slots").buckets
            usual = status.count * SLOT_MS / (self.period.until - self.period.since)
            over = [s for s in times if s.count >= STORM and s.count >= STORM_TIMES * usual]
            rows += [
                (str(status.key), f"{slot.count:,}", self.sources.local(int(slot.key)))
                for slot in sorted(over, key=lambda slot: -slot.count)[:5]
            ]
        title = (
            f"Storms of 401, 403 and 429: {STORM} and more within five minutes, and "
            f"{STORM_TIMES} times the mean."
        )
        headline = "Storms of refusals: {1} answers of {0} within five minutes ({2})"
        columns = ("status", "count", "from")
        return self.finding(title, query, columns, rows, ["status_code"], headline)

    def tools(self) -> AuditFinding:
        """Return user agents of attack tools, and requests without one."""
        query = f"{REQUESTS} AND {_any('user_agent', TOOLS)}"
        inner = {"who": Terms("client_ip", 3)}
        found = self.ask(query, agents=Terms("user_agent", MOST_ROWS, inner))["agents"]
        rows = [(cut(str(b.key)), f"{b.count:,}", cut(", ".join(_keys(b, "who")))) for b in found]
        title = "User agents of known attack tools."
        columns = ("user agent", "requests", "clients")
        headline = "Attack tools: {0} from {2}"
        return self.finding(title, query, columns, rows, ["user_agent"], headline)

    def floods(self) -> AuditFinding:
        """Return clients that asked more often than a person can."""
        slots = DateHistogram(MINUTE_MS, filled=False)
        found = self.ask(REQUESTS, who=Terms("client_ip", 20))["who"]
        busy = [str(bucket.key) for bucket in found if bucket.count >= FLOOD]
        rows = []
        for client in self._busy_in_an_hour(busy):
            query = f"{REQUESTS} AND client_ip:{quoted(client)}"
            minutes = self.ask(query, minutes=slots)["minutes"]
            worst = max(minutes, key=lambda minute: minute.count)
            if worst.count >= FLOOD:
                at = self.sources.local(int(worst.key))
                total = sum(minute.count for minute in minutes)
                rows.append((cut(client), f"{total:,}", f"{worst.count:,}", at))
        title = f"Impossible volumes: {FLOOD} and more requests of one client within a minute."
        columns = ("client", "requests", "in a minute", "minute")
        headline = "Impossible volumes: {0} asked {2} times within a minute ({3})"
        return self.finding(title, REQUESTS, columns, rows, ["client_ip"], headline)

    def _busy_in_an_hour(self, clients: Sequence[str]) -> list[str]:
        """Return the clients with as many requests in an hour: others have none in a minute."""
        if not clients:
            return []
        hours = {"hours": DateHistogram(HOUR_MS, filled=False)}
        query = f"{REQUESTS} AND {_any_of('client_ip', clients)}"
        found = self.ask(query, who=Terms("client_ip", len(clients), hours))["who"]
        busy = {
            str(bucket.key)
            for bucket in found
            if any(hour.count >= FLOOD for hour in buckets_of(bucket, "hours").buckets)
        }
        return [client for client in clients if client in busy]


_NUMBERS: Final = frozenset({"failed", "in an hour", "requests", "count", "in a minute"})


def _keys(bucket: Bucket, name: str) -> Iterator[str]:
    return (str(each.key) for each in buckets_of(bucket, name).buckets)


def _any(field: str, patterns: Sequence[str]) -> str:
    """Return the query of values that match one of some wildcard patterns."""
    return f"({' OR '.join(f'{field}:{_pattern(each)}' for each in patterns)})"


def _pattern(text: str) -> str:
    """Return a pattern as the query language has it, with all but the wildcards escaped."""
    return "".join(c if c.isalnum() or c in "*?_-." else f"\\{c}" for c in text)


def _any_of(field: str, values: Sequence[str]) -> str:
    return f"{field}:IN [{' '.join(map(quoted, values))}]"
