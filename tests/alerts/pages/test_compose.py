"""A page explains itself: numbers, causes, examples, what to do, and a way to the records."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from click.testing import CliRunner

from shipper.alerts.incident import Change, Incident, Transition
from shipper.alerts.page import Page
from shipper.alerts.pages.compose import PageComposer, digest_of, headline
from shipper.alerts.pages.explain import narrowed_to
from shipper.alerts.pages.parts import WORDS, as_text
from shipper.alerts.pages.runbooks import steps_of
from shipper.alerts.rules.reading import load_rules
from shipper.alerts.rules.rule import Rule
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import Window
from shipper.cli import main
from shipper.errors import StoreUnavailable
from shipper.store.api import Store
from shipper.store.opening import open_embedded
from shipper.store.query.parser import parse
from tests.alerts.paging import page, transition
from tests.commands.cli_index import MINUTE, START, config_in, store_records

ROOT = Path(__file__).parents[3]
RULES = {rule.name: rule for rule in load_rules(ROOT / "config/rules").rules}
RULE = RULES["error_rate_high"]
GROUP = (("service.name", 'the "shop"'),)


def request(at: int, status: int, route: str, number: int, **more: Any) -> dict[str, Any]:
    return {
        "at": at,
        "level": "ERROR" if status >= 500 else "INFO",
        "logger": "automation_orchestrator.access",
        "message": f"GET {route} {status}",
        "status_code": status,
        "route": route,
        "request_id": f"req_{number}",
        "service": {"name": 'the "shop"'},
        "host": {"name": "web-1"},
        "event": {"dataset": "orchestrator.access"},
        **more,
    }


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Twenty failures of one cause after two of another, in an index."""
    before = [
        request(START + number, 503, "/api/a", number, error_type="OldError") for number in range(2)
    ]
    breach = [
        request(START + 5 * MINUTE + number * 1000, 500, "/api/b", 100 + number, error_type="Boom")
        for number in range(19)
    ]
    breach.append(request(START + 6 * MINUTE, 500, "/api/a", 200, error_type="OldError"))
    fine = [request(START + 6 * MINUTE, 200, "/api/b", 300)]
    other = [request(START + 6 * MINUTE, 500, "/x", 400, service={"name": "other"})]
    store_records(tmp_path, [*before, *breach, *fine, *other])
    with closing(open_embedded(tmp_path / "index")) as opened:
        yield opened


def incident_of(change: Change = Change.FIRED, **more: Any) -> Transition:
    made = transition(change, rule="error_rate_high", **more)
    verdict = replace(
        made.incident.verdict,
        window=Window(START + 5 * MINUTE, START + 10 * MINUTE),
        group=GROUP,
        events=21,
        value=0.95,
        reason="95 % (20 of 21), 95 % interval 77 % to 99 %: above 1 %",
    )
    incident: Incident = replace(made.incident, group=GROUP, verdict=verdict)
    return replace(made, incident=incident)


def pages(**more: Any) -> PageComposer:
    return PageComposer(RULES, ROOT / "config/runbooks", **more)


def page_of(store: Store | None, change: Change = Change.FIRED, **more: Any) -> Page:
    return pages(**more).page_of(incident_of(change), "key", store)


def test_a_page_says_what_was_judged(store: Store) -> None:
    """The sentence of the rule, the number with interval and threshold, the question, the time."""
    made = page_of(store)

    assert made.title == "Firing: Server errors are 95 % of requests (21 in all)"
    assert "95 % interval 77 % to 99 %: above 1 %" in made.numbers
    assert "2026-02-05T00:05:00Z to 2026-02-05T00:10:00Z" in made.numbers
    assert "status_code:[500 TO 599]" in made.asked
    assert made.runbook[0].startswith("Look at the errors as they come")
    assert (made.key, made.thread) == ("key", "k3x9")


def test_causes_are_told_with_their_share_before(store: Store) -> None:
    """What has grown comes first; shares are of the records of the group's breach alone."""
    made = page_of(store)

    errors = [share for share in made.shares if share.field == "error_type"]
    assert [(share.value, share.now, share.before) for share in errors] == [
        ("Boom", 0.95, 0.0),
        ("OldError", 0.05, 1.0),
    ]
    assert [share.value for share in made.shares if share.field == "route"] == ["/api/b", "/api/a"]
    assert {share.field for share in made.shares} == {"error_type", "route"}, (
        "one host says nothing"
    )


@pytest.mark.usefixtures("store")
def test_the_one_host_that_is_to_blame_is_named(tmp_path: Path) -> None:
    """All failures are of one host, while another one answers as ever."""
    fine = request(START + 6 * MINUTE, 200, "/api/b", 500, host={"name": "web-2"})
    store_records(tmp_path, [fine], first=1000)
    with closing(open_embedded(tmp_path / "index")) as opened:
        made = page_of(opened)

    hosts = [share for share in made.shares if share.field == "host.name"]
    assert [(share.value, share.now) for share in hosts] == [("web-1", 1.0)]


def test_a_share_that_is_too_small_is_explained_by_the_others(store: Store) -> None:
    """Success is too rare: the page shows what failed, not what succeeded."""
    made = incident_of()
    incident: Incident = replace(made.incident, rule="success_rate_low")

    shown = pages().page_of(replace(made, incident=incident), "key", store)

    assert "NOT (status_code:<500)" in shown.asked
    assert [example.request_id for example in shown.examples] == ["req_100", "req_200"]
    assert {share.value for share in shown.shares if share.field == "error_type"} == {
        "Boom",
        "OldError",
    }


def test_examples_are_the_first_and_the_last(store: Store) -> None:
    """Each with its request, by which all that belongs to it is found."""
    made = page_of(store)

    assert [example.request_id for example in made.examples] == ["req_100", "req_200"]
    assert made.examples[0].text.startswith("2026-02-05T00:05:00.000Z ERROR")


def test_the_search_line_shows_the_records(store: Store, tmp_path: Path) -> None:
    """The command can be pasted into a shell as it is, whatever the group is called."""
    made = page_of(store)
    store.close()
    assert made.search is not None

    words = shlex.split(made.search)
    done = CliRunner().invoke(main, ["--config", str(config_in(tmp_path)), *words[1:], "--count"])

    assert words[0] == "shipper"
    assert done.output.strip() == "20"


def test_a_value_that_cannot_be_typed_is_left_out() -> None:
    """A control character in a group makes the command wider, and never another command."""
    hostile = (("service.name", "a\n$(rm)'\"\\"), ("host.name", "h1"))

    assert narrowed_to("level:ERROR", hostile, typed=True) == '(level:ERROR) AND host.name:"h1"'
    exact = narrowed_to("level:ERROR", hostile)
    assert exact == '(level:ERROR) AND service.name:"a\n$(rm)\'\\"\\\\" AND host.name:"h1"'
    parse(exact)
    assert narrowed_to("*", ()) == "*"


class Gone:
    """A store that went away."""

    def ask(self, *_: Any) -> Any:
        raise StoreUnavailable("the index is gone; start the shipper")

    search = ask


@pytest.mark.parametrize("away", [None, Gone()])
def test_a_page_is_made_without_a_store(away: Any) -> None:
    """People are told all the same, and that nothing more is known."""
    made = page_of(away)

    assert made.title.startswith("Firing: Server errors")
    assert made.shares == ()
    assert "The store cannot be queried now" in " ".join(made.notes)
    assert made.search is not None


def test_a_page_is_made_without_its_rule() -> None:
    """A rule whose file was deleted since still resolves, in the words of its verdict."""
    gone = PageComposer({}, ROOT / "config/runbooks")

    made = gone.page_of(incident_of(Change.RESOLVED), "key", None)

    assert (
        made.title
        == "Resolved after 1.0 min: 95 % (20 of 21), 95 % interval 77 % to 99 %: above 1 %"
    )
    assert made.runbook == ()


def test_what_is_over_asks_nothing_more() -> None:
    """For an acknowledged or resolved incident no store is asked."""
    for change in (Change.ACKNOWLEDGED, Change.RESOLVED):
        made = page_of(None, change)
        assert made.notes == ()
        assert made.examples == ()


def test_doubts_are_told() -> None:
    """Early, late, without some hosts, flapping: the page says so."""
    made = incident_of()
    verdict = replace(made.incident.verdict, early=True, late=True, waiting=("app2", "app3"))
    incident: Incident = replace(made.incident, verdict=verdict, flapping=True)

    told = " ".join(pages().page_of(replace(made, incident=incident), "k", None).notes)

    for part in ("can only grow", "Found late", "app2, app3", "comes and goes"):
        assert part in told


def test_a_blind_incident_has_a_page() -> None:
    """What the job finds out about itself is told without a question to the store."""
    made = transition(rule="store_unreachable", service="", severity=Severity.CRITICAL)

    told = pages().page_of(made, "k", None)

    assert told.title == "Firing: The alert job cannot query the store, so no rule is evaluated"
    assert told.asked == "the alert job itself: the store gives no answer"
    assert (told.search, told.link) == (None, None)
    assert told.runbook[0].startswith("Query it by hand")


@pytest.mark.parametrize("change", list(Change))
def test_every_change_has_its_words(change: Change) -> None:
    """Each step is told in words of its own."""
    assert WORDS[change]
    others = {headline(transition(each)) for each in Change if each is not change}
    assert headline(transition(change)) not in others


def test_the_link_leads_to_the_records() -> None:
    """Discover gets the time and the question of the page; nothing can break out."""
    made = page_of(None, kibana_url="https://kibana.example.com/s/ops")

    assert made.link is not None
    assert re.fullmatch(r"[A-Za-z0-9_.~%/?:&=-]+", made.link)
    assert made.link.startswith("https://kibana.example.com/s/ops/app/r?l=DISCOVER_APP_LOCATOR&")
    state = json.loads(unquote(made.link.partition("&p=")[2]))
    assert state["timeRange"]["from"] == "2026-02-05T00:05:00.000Z"
    assert state["timeRange"]["to"] == "2026-02-05T00:09:59.999Z"
    assert 'service.name: "the \\"shop\\""' in state["query"]["query"]
    assert "status_code >= 500 and status_code <= 599" in state["query"]["query"]


def test_a_digest_is_one_page_of_all() -> None:
    """The worst first, each with its id; the key is that of the same pages in any order."""
    many = [page(id_=f"n{number}", severity=Severity.LOW) for number in range(3)]
    many.append(page(id_="bad", severity=Severity.CRITICAL))

    made = digest_of(many, START)

    assert made.title == "4 more pages at once: 1 critical, 3 low"
    assert made.transition.incident.severity is Severity.CRITICAL
    assert made.transition.change is Change.FIRED
    assert made.notes[0].startswith("CRITICAL server_errors [bad]")
    assert made.key == digest_of(many[::-1], START + 9).key
    assert "shipper alerts show ID" in as_text(made)


@pytest.mark.parametrize("rule", list(RULES.values()), ids=list(RULES))
def test_every_shipped_rule_has_a_runbook(rule: Rule) -> None:
    """Each names a file of steps that is shipped."""
    steps = steps_of(rule.runbook, ROOT / "config/runbooks")

    assert len(steps) >= 3
    assert "There is no runbook" not in steps[0]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "config/runbooks").glob("*.md")), ids=lambda path: path.stem
)
def test_the_commands_of_runbooks_work(path: Path) -> None:
    """Each `shipper` command of a runbook is one, and its query can be asked."""
    for command in re.findall(r"`(shipper [^`]+)`", path.read_text()):
        words = shlex.split(command.partition("|")[0])[1:]
        if "ALERTER" in words or words[:2] in (["alerts", "list"], ["alerts", "show"]):
            continue
        done = CliRunner().invoke(main, [*words, "--help"])
        assert done.exit_code == 0, command
        if words[0] == "search":
            parse(next((word for word in words[1:2] if not word.startswith("-")), ""))


def test_runbooks_may_be_elsewhere(tmp_path: Path) -> None:
    """An address is the step; a file that is not there, or has no steps, is told as such."""
    (tmp_path / "empty.md").write_text("# Nothing yet\n")
    (tmp_path / "two.md").write_text(
        "# Two\n\n1. First,\n   and on\n\n   apart\n2. Second\n3) Third\n"
    )

    assert steps_of("https://wiki.example.com/x", tmp_path) == ("https://wiki.example.com/x",)
    assert steps_of("two", tmp_path) == ("First, and on", "Second", "Third")
    assert steps_of("gone", tmp_path)[0].startswith(f"There is no runbook {tmp_path}/gone.md")
    assert steps_of("empty", tmp_path) == (f"See {tmp_path}/empty.md.",)
    assert steps_of(None, tmp_path) == ()
