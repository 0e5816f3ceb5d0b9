"""Reports as people read them: in a real browser, on a phone, in the dark, on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page

from shipper.cli import main
from tests.commands.cli_index import store_records
from tests.reports.planted import plant
from tests.reports.test_reports import HOSTILE, hostile_records

RULES = Path(__file__).parents[2] / "config/rules"
LONG = "https://198.51.100.7/" + "x" * 5000
WIDE = """
() => [...document.querySelectorAll("body *")]
  .filter(e => !e.closest(".scroll") && e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => e.outerHTML.slice(0, 200))
"""
# The luminance of the text and of what lies behind it.
CONTRAST = """
() => {
  const light = text => {
    const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = e => {
    const color = getComputedStyle(e).backgroundColor;
    return color !== "rgba(0, 0, 0, 0)" || !e.parentElement ? color : behind(e.parentElement);
  };
  return Math.min(...[...document.querySelectorAll("h1,h2,p,td,th,code,b,.soft,.word")].map(e => {
    const two = [light(getComputedStyle(e).color), light(behind(e))].sort((a, b) => b - a);
    return (two[0] + 0.05) / (two[1] + 0.05);
  }));
}
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the pages of the planted month, with hostile and very long texts on one day."""
    folder = tmp_path_factory.mktemp("pages")
    place = plant(folder, rules=RULES)
    evil = hostile_records()
    for record in evil[:20]:
        record |= {"level": "ERROR", "error_type": LONG, "message": LONG}
    store_records(folder, evil, first=100_000)
    pages = {}
    for kind in ("daily", "weekly", "monthly"):
        args = ["--config", str(place.config), "report", kind, "--date", "2026-02-05"]
        more = ["--directory", str(folder / "logs")] if kind == "daily" else []
        done = CliRunner().invoke(main, [*args, *more])
        assert done.exit_code == 0, done.output
        pages[kind] = Path(done.output.splitlines()[-1].removeprefix("report in "))
    return pages


@pytest.fixture
def page(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """Return a page of a phone, with what it asks for and complains of."""
    context = browser.new_context(viewport={"width": 360, "height": 800})
    opened = context.new_page()
    seen: list[str] = []
    opened.on("request", lambda request: seen.append(request.url))
    opened.on("console", lambda message: seen.append(message.text))
    opened.on("pageerror", lambda error: seen.append(str(error)))
    opened.on("dialog", lambda dialog: seen.append(dialog.message))
    yield opened, seen
    context.close()


@pytest.mark.parametrize("kind", ["daily", "weekly", "monthly"])
def test_a_report_is_read_in_a_browser(
    page: tuple[Page, list[str]], reports: dict[str, Path], kind: str
) -> None:
    """It asks for itself alone and runs nothing; it fits a phone, light and dark, and paper."""
    opened, seen = page
    address = reports[kind].as_uri()

    opened.goto(address)

    assert seen == [address]
    assert opened.evaluate("document.scripts.length") == 0
    assert opened.evaluate("document.documentElement.scrollWidth") == 360
    assert opened.evaluate(WIDE) == []
    assert opened.locator("h2").first.inner_text().startswith("At a glance")
    assert opened.locator("svg").count() > 0
    assert HOSTILE[0] in opened.locator("body").inner_text()
    papers = []
    for scheme in ("light", "dark"):
        opened.emulate_media(color_scheme=scheme, media="screen")
        papers.append(opened.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert opened.evaluate(CONTRAST) >= 4.5, scheme
    assert papers[0] != papers[1]
    opened.emulate_media(color_scheme="dark", media="print")
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    assert opened.evaluate(CONTRAST) >= 4.5
    assert opened.evaluate(WIDE) == []
    assert opened.pdf(format="A4").startswith(b"%PDF-")
    assert seen == [address]
