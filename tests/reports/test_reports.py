"""Tests of reports: hostile strings in every place, in every format, and that nothing is loaded."""

from __future__ import annotations

import json
import random
from datetime import UTC, date
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from shipper.cli import main
from shipper.errors import QueryError
from shipper.reports.document import ReportText, State
from shipper.reports.periods import PeriodKind, period_of
from shipper.reports.process_use import process_use
from shipper.store.api import Store
from tests.commands.cli_index import config_in, store_records
from tests.reports import seeded

DAY = date(2026, 2, 5)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><style>*{display:none}",
    "| a | b |\n| --- | --- |",
    "[x](javascript:alert(1)) ![y](http://192.0.2.1/z.png)",
    "\x1b[2J\u202eevil\x00",
    "{{ 7 * 7 }} ${HOME} `id` $(id)",
    "&lt;b&gt; ]]> --> 'quoted'",
)


IN_TABLES = {"table", "thead", "tbody", "tr", "th", "td", "h1", "h2", "p", "code"}
IN_SVG = {"svg", "path", "rect", "circle", "text"}
IN_PAGES = {
    *("html", "head", "meta", "title", "style", "body", "main", "section", "div", "b", "span"),
    *("figure", "figcaption", *IN_TABLES, *IN_SVG),
}
IN_MARKDOWN = {*IN_TABLES, "pre", "strong"}


class Page(HTMLParser):
    """The elements of a page, its texts, and every attribute that could load something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[tuple[str, str, str | None]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        bad = {"src", "href", "action", "data", "srcset", "style", "background"}
        self.loads += [(tag, *each) for each in attrs if each[0] in bad or each[0][:2] == "on"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def hostile_records() -> list[dict[str, Any]]:
    """Make a day of records in which every text of a record is hostile."""
    rng = random.Random(1)
    made = seeded.a_day(rng, DAY, UTC)
    for record in made:
        evil = rng.choice(HOSTILE)
        record["message"] = evil
        record["host"] = {"name": evil}
        if "route" in record:
            record |= {"route": evil, "path": evil, "user_agent": evil, "client_ip": evil}
        if "workflow_id" in record:
            record["workflow_id"] = evil
        if record["level"] in {"ERROR", "CRITICAL"}:
            record["error_type"] = evil
    return made


def report(folder: Path, *args: str, more: str = "") -> str:
    """Run `shipper report` with more lines in the config, return the content of the file."""
    path = config_in(folder)
    path.write_text(f"{path.read_text()}{more}\n")
    command = ["--config", str(path), "report", *args]
    done = CliRunner().invoke(main, [*command, "--directory", str(folder / "logs")])
    assert done.exit_code == 0, done.output
    return Path(done.output.splitlines()[-1].removeprefix("report in ")).read_text()


def test_each_step_is_printed_if_asked_for(tmp_path: Path) -> None:
    """On stderr, so that the output is that of every report; the report is the last step."""
    store_records(tmp_path, hostile_records())
    command = ["--config", str(config_in(tmp_path)), "report", "weekly", "--date", str(DAY)]

    done = CliRunner().invoke(main, [*command, "--progress"])

    steps = [line.partition(" ")[0] for line in done.stderr.splitlines()]
    assert steps == [f"[{number}/{len(steps)}]" for number in range(1, len(steps) + 1)]
    assert len(steps) > 1
    assert done.stdout.startswith("report in ")


def test_a_page_runs_and_loads_nothing_whatever_is_in_the_records(tmp_path: Path) -> None:
    """Hostile texts are shown as they are; the page has no script, link or picture from outside."""
    store_records(tmp_path, hostile_records())

    html = report(tmp_path, "daily", "--date", str(DAY))

    page = Page(html)
    assert set(page.tags) <= IN_PAGES
    assert page.loads == []
    assert page.tags.count("style") == 1
    assert "default-src 'none'" in html
    shown = "".join(page.texts)
    assert HOSTILE[0] in shown
    assert "\\x1b[2J\\u202eevil\\x00" in shown
    assert not {"\x1b", "\u202e", "\x00"} & {*html}


def test_markdown_takes_nothing_in_the_records_as_markup(tmp_path: Path) -> None:
    """No text makes a link, a picture, HTML or another table."""
    store_records(tmp_path, hostile_records())

    text = report(tmp_path, "daily", "--date", str(DAY), "--format", "md")

    rendered = Page(MarkdownIt("commonmark").enable("table").render(text))
    assert set(rendered.tags) <= IN_MARKDOWN
    loads = [each for each in rendered.loads if each[1:2] != ("style",)]
    assert loads == []
    columns = [line.count(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert min(columns) >= 4


def test_json_has_the_same_content_and_the_facts(tmp_path: Path) -> None:
    """The JSON names the sections of the page, and holds the metrics of the day."""
    made = hostile_records()
    store_records(tmp_path, made)

    found = json.loads(report(tmp_path, "daily", "--date", str(DAY), "--format", "json"))
    page = Page(report(tmp_path, "daily", "--date", str(DAY)))

    assert found["facts"]["records"] == len(made)
    assert found["report"] == "daily"
    titles = [section["title"] for section in found["sections"]]
    assert page.tags.count("h2") == len(titles)
    assert all(title in "".join(page.texts) for title in titles)


def test_memory_and_cpu_of_each_process_are_shown(tmp_path: Path) -> None:
    """
    The larger process is first; the sum, and another day, do not count.

    Two hosts have processes of the same number, which are two.
    """
    rng = random.Random(2)
    since = seeded.midnight(DAY, UTC)

    def poll(at: int, **extra: Any) -> dict[str, Any]:
        return seeded.base(at, rng, "orchestrator.metrics") | {"extra": {"target": "api", **extra}}

    def use(at: int, pid: int, mib: int, cpu: float, host: str = "one") -> dict[str, Any]:
        process = {"pid": pid, "memory_rss_bytes": mib * 1024 * 1024, "cpu_percent": cpu}
        return poll(since + at, process=process) | {"host": {"name": host}}

    pool = poll(since + 5, resources={"memory_rss_bytes": 10**12, "cpu_percent": 99.0})
    uses = [use(1, 11, 100, 1.0), use(2, 11, 200, 2.0), use(3, 12, 300, 5.0)]
    uses.append(use(4, 11, 50, 9.0, "two"))
    store_records(tmp_path, [*uses, use(-1, 13, 900, 90.0), pool])

    found = json.loads(report(tmp_path, "daily", "--date", str(DAY), "--format", "json"))

    (section,) = [each for each in found["sections"] if each["title"] == "Resources"]
    chart, table, _ = [each for each in section["blocks"] if each["type"] != "text"]
    assert table["rows"] == [
        ["12", "api", "one", "300.0 MiB", "300.0 MiB", "5.0 %", "5.0 %"],
        ["11", "api", "one", "150.0 MiB", "200.0 MiB", "1.5 %", "2.0 %"],
        ["11", "api", "two", "50.0 MiB", "50.0 MiB", "9.0 %", "9.0 %"],
    ]
    assert chart["points"] == [[since, 300.0]]


def test_processes_that_had_a_number_one_after_the_other_are_two(tmp_path: Path) -> None:
    """A number is given again, after a restart of the machine, say: the start tells them apart."""
    rng = random.Random(2)
    since = seeded.midnight(DAY, UTC)
    records = []
    for n, (start, mib) in enumerate([(1_000_000, 100), (1_000_000, 300), (2e18, 50)]):
        process = {"pid": 11, "memory_rss_bytes": mib << 20, "start_time_seconds": start}
        record = seeded.base(since + n, rng, "orchestrator.metrics")
        extra = {"target": "api", "process": process}
        records.append(record | {"host": {"name": "one"}, "extra": extra})
    store_records(tmp_path, records)

    found = json.loads(report(tmp_path, "daily", "--date", str(DAY), "--format", "json"))

    (section,) = [each for each in found["sections"] if each["title"] == "Resources"]
    (table,) = [each for each in section["blocks"] if each.get("columns", [""])[0] == "process"]
    assert [(row[0], row[3]) for row in table["rows"]] == [
        ("11, since 1970-01-12T13:46:40Z", "200.0 MiB"),
        ("11, since 2000000000000000000", "50.0 MiB"),
    ]


def test_more_values_than_the_store_can_list_cost_only_their_table() -> None:
    """The reason stands where memory and CPU would; the rest of the report is made."""
    store = Mock(spec=Store)
    store.ask.side_effect = QueryError("too many values", "ask for less")

    (block,) = process_use(store, period_of(PeriodKind.DAY, DAY, UTC))

    assert isinstance(block, ReportText)
    assert "too many values" in block.text
    assert block.state is State.ATTENTION


@pytest.mark.parametrize(("form", "begin"), [("html", 'href="'), ("md", "](<"), ("json", '": "')])
def test_a_query_has_its_link_to_kibana(tmp_path: Path, form: str, begin: str) -> None:
    """The link leads to the errors of the day, in the space of the config; without it, nowhere."""
    store_records(tmp_path, seeded.a_day(random.Random(2), DAY, UTC))
    args = ("daily", "--date", str(DAY), "--format", form)
    address = f"{begin}https://kibana.example:5601/s/ops/app/r?l=DISCOVER_APP_LOCATOR"

    without = report(tmp_path, *args)
    linked = report(
        tmp_path, *args, more="kibana: {url: 'https://kibana.example:5601', space: ops}"
    )

    assert "kibana" not in without.lower()
    assert linked.count(address) == 1
    link = unescape(linked[linked.index(address) + len(begin) :]).split('"')[0].split(">")[0]
    asked = json.loads(parse_qs(urlsplit(link).query)["p"][0])
    assert "ERROR" in asked["query"]["query"]
    assert asked["timeRange"]["from"] == "2026-02-05T00:00:00.000Z"


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_a_day_without_records_has_a_report(tmp_path: Path, form: str) -> None:
    """Nothing is divided by nothing; what is unknown is called so."""
    store_records(tmp_path, seeded.a_day(random.Random(2), date(2026, 2, 1), UTC))

    text = report(tmp_path, "daily", "--date", "2026-02-03", "--format", form)

    assert "no data" in text
    assert "nan" not in text.lower().replace("finance", "")
