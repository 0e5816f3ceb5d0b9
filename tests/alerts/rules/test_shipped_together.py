"""What the shipped rules make of one fault together, and of words from outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.alerts.policy import inhibition_of
from shipper.alerts.rules.reading import load_rules
from shipper.config.alerts import AlertOptions
from tests.alerts.verdicts import MINUTE, START
from tests.alerts.world import World
from tests.store.store_records import Record, enriched, record, write

ROOT = Path(__file__).parents[3]
POLLED = ("response_time_high_polled", "success_rate_critical_polled", "success_rate_low_polled")
RATIOS = ("error_rate_high", "success_rate_critical", "success_rate_low")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[World]:
    with closing(World(tmp_path)) as world:
        rules = load_rules(ROOT / "config/rules").rules
        world.rules = [rule for rule in rules if rule.probes]
        inhibitions = tuple(map(inhibition_of, AlertOptions().inhibit))
        world.policy = replace(world.policy, inhibitions=inhibitions)
        world.begin()
        yield world


def request(seq: int, at: int, status: int, text: str = "/api") -> Record:
    return record(
        seq,
        at,
        level="ERROR" if status >= 500 else "INFO",
        logger="shop.access",
        status_code=status,
        message=f"GET {text} {status}",
        path=text,
        **enriched("access", seq),
    )


def test_a_third_of_failures_is_one_page(site: World) -> None:
    """The worst of the rules that see it pages; the others follow from it, to the end."""
    seq = 0
    for minute in range(30):
        is_bad = 5 <= minute < 15
        records = []
        for second in range(60):
            seq += 1
            status = 500 if is_bad and seq % 20 < 7 else 200
            records.append(request(seq, START + minute * MINUTE + second * 1000, status))
        write(site.writer, records)
        site.look(START + (minute + 1) * MINUTE)

    heard = [each for each in site.heard() if each.split()[0] in RATIOS]
    heard = [each for each in heard if each.split()[1] in {"fired", "unmuted", "resolved"}]
    assert heard == ["success_rate_critical fired", "success_rate_critical resolved"]


def poll(seq: int, at: int, status: str, **found: object) -> Record:
    return record(
        seq,
        at,
        run="01JKPOLLSFGHJKMNPQRSTVWXYZ",
        level="INFO" if status == "healthy" else "WARNING",
        logger="shipper.health",
        message=f"api is {status}",
        status=status,
        extra={"target": "api", **found},
        **enriched("health", seq),
    )


@pytest.mark.parametrize(
    ("has_access_log", "status", "expected"),
    [
        (True, "degraded", "success_rate_critical"),
        (False, "degraded", "success_rate_critical_polled"),
        (False, "unhealthy", "system_unhealthy"),
        (True, "unhealthy", "system_unhealthy"),
    ],
)
def test_a_fault_that_requests_and_polls_see_is_one_page(
    site: World, status: str, expected: str, *, has_access_log: bool
) -> None:
    """Whichever of the rules sees it first pages, down to the end; the others follow from it."""
    seq = 0
    for minute in range(32):
        is_bad, at = 5 <= minute < 18, START + minute * MINUTE
        records = [
            poll(minute, at, status if is_bad else "healthy", success_rate=0.65 if is_bad else 1.0)
        ]
        for second in range(60) if has_access_log else ():
            seq += 1
            code = 500 if is_bad and seq % 20 < 7 else 200
            records.append(request(seq, at + second * 1000, code))
        write(site.writer, records)
        site.look(at + MINUTE)

    rules, changes = {*RATIOS, *POLLED, "system_unhealthy"}, {"fired", "unmuted", "resolved"}
    heard = [tuple(each.split()) for each in site.heard()]
    assert [each for each in heard if each[0] in rules and each[1] in changes] == [
        (expected, "fired"),
        (expected, "resolved"),
    ]
    muted = {each.rule for each in site.incidents()} & set(POLLED) - {expected}
    assert "success_rate_low_polled" in muted


def test_a_full_disk_is_one_page(site: World) -> None:
    """The application is unhealthy for it, and that is no other fault."""
    for minute in range(12):
        is_bad, at = 3 <= minute < 8, START + minute * MINUTE
        state = "unhealthy" if is_bad else "healthy"
        write(site.writer, [poll(minute, at, state, storage={"status": state})])
        site.look(at + MINUTE)
    heard = [each for each in site.heard() if each.split()[1] in {"fired", "unmuted"}]
    assert heard == ["storage_critical fired"]


def test_the_words_of_the_rules_in_an_address_page_nobody(site: World) -> None:
    """Whoever asks for the words of the shipped rules by the hundred fires none of them."""
    words = " ".join(sorted({probe.query for rule in site.rules for probe in rule.probes}))
    site.look(START)
    records = [request(n, START + n * 100, 404, f"/{words}") for n in range(600)]
    write(site.writer, records)

    for minute in range(1, 4):
        site.look(START + minute * MINUTE)
    assert site.heard() == []
