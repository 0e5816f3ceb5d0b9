"""The pages as a person uses them: in a real browser, with and without scripts."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from shipper.store.api import Hit
from tests.web.serving import LONG, Served, full_sources, plain_sources, served
from tests.web.test_cancelling import SlowStore
from tests.web.test_dashboard import NOW

WAIT_MS = 60_000
COMPLAINTS = re.compile(r"Content Security Policy|Uncaught|Refused")
PAGES = [
    "/",
    "/?range=30d&compare=1",
    "/logs",
    "/logs?q=level:ERROR&facet=extra.user,message,nothing",
    "/logs?q=level:NONE",
    "/logs?q=(",
    "/logs?since=2026-02-05T13:57:00Z&until=2026-02-05T14:00:00.250Z",
    "/trace?q=request_id:r-399&range=2h&sort=asc",
    "/similar",
    "/incidents",
    "/incidents/incident1",
    "/rules",
    "/rules/error_rate_high?range=1h",
    "/pipeline",
    "/deadletters",
    "/reports",
    "/nothing",
]


OPEN_SOME = """
for (const each of document.querySelectorAll("details:not(.records > :nth-child(n+3) *)"))
  each.open = true;
"""


# In the page, for the driver of the browser would wait for the one that comes next.
CANCEL_WHEN_ASKED = """
document.querySelector('nav a[href^="/logs"]').click();
const timer = setInterval(async () => {
  if ((await (await fetch("/asked")).text()) !== "True" || sessionStorage.said) return;
  clearInterval(timer);
  sessionStorage.said = document.querySelector("#state").textContent;
  document.querySelector("#cancel:not([hidden])").click();
}, 100);
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    sources, _ = full_sources(tmp_path_factory.mktemp("site"))
    with served(sources) as found:
        yield found


def tab(browser: Browser, site: Served, address: str = "/", **options: Any) -> Page:
    """Open a page of the dashboard in a tab of its own."""
    context = browser.new_context(**options)
    name, _, value = site.cookie.partition("=")
    context.add_cookies([{"name": name, "value": value, "url": site.at("/")}])
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(site.at(address))
    return page


@pytest.mark.slow
@pytest.mark.timeout(400)  # axe looks at every element of every page
@pytest.mark.parametrize(
    ("width", "scheme"), [(1200, "light"), (360, "dark")], ids=["wide and light", "phone and dark"]
)
def test_every_page_fits_and_is_accessible(
    browser: Browser, site: Served, width: int, scheme: str
) -> None:
    """No finding of axe, nothing to scroll sideways for, and no complaint about scripts."""
    page = tab(browser, site, viewport={"width": width, "height": 800}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(f"Uncaught {error}"))
    found = []
    for address in PAGES:
        page.goto(site.at(address))
        page.evaluate(OPEN_SOME)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{address} scrolls sideways")
        faults = Axe().run(page).response["violations"]
        found += [f"{address}: {each['id']} {each['nodes'][0]['html'][:200]}" for each in faults]
    page.keyboard.press("?")
    found += [each["id"] for each in Axe().run(page).response["violations"]]

    assert found == []
    assert [line for line in said if COMPLAINTS.search(line)] == []
    page.context.close()


def test_dragging_over_the_histogram_zooms(browser: Browser, site: Served) -> None:
    """The address has the time of the bars; a mere click is the link of a bar."""
    page = tab(browser, site)
    page.goto(site.at("/logs?q=service.name:shop&range=1h"))
    box = page.locator(".histogram").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.25, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, middle, steps=4)
    expect(page.locator("#brushed")).to_contain_text("2026-02-05T13:1")
    page.mouse.up()

    page.wait_for_url(re.compile(r"since="))
    assert re.search(r"q=service.name%3Ashop", page.url)
    assert "range=" not in page.url
    since, until = re.findall(r"(?:since|until)=2026-02-05T13%3A(\d\d)%3A00", page.url)
    assert 13 <= int(since) <= 16
    assert 29 <= int(until) <= 32
    page.locator(".histogram a").first.click()
    page.wait_for_url(lambda address: "until=2026-02-05T13%3A3" not in address)
    page.context.close()


def test_keys_lead_through_the_pages(browser: Browser, site: Served) -> None:
    """`?` lists them; records are gone through, opened and closed, pages changed."""
    page = tab(browser, site)
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("l")
    page.wait_for_url(re.compile("/logs"))
    first, second = page.locator(".records > li > details").all()[:2]
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(second).to_have_attribute("open", "")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(first).to_have_attribute("open", "")
    page.keyboard.press("/")
    page.keyboard.type("j?g")
    expect(page.locator("#query")).to_have_value("j?g")
    page.context.close()


def test_the_zone_is_chosen_and_kept(browser: Browser, site: Served) -> None:
    """That of the browser, until UTC is chosen again; in UTC there is nothing to choose."""
    page = tab(browser, site, timezone_id="Europe/Berlin")
    page.goto(site.at("/incidents"))
    expect(page.locator("#state")).to_contain_text("14:00:00Z")
    page.locator("#zone").click()
    expect(page.locator("#state")).to_contain_text("15:00:00+01:00")
    page.goto(site.at("/logs"))
    expect(page.locator("#zone")).to_have_text("Europe/Berlin")
    page.locator("#zone").click()
    expect(page.locator("#state")).to_contain_text("14:00:00Z")
    page.context.close()
    page = tab(browser, site, timezone_id="UTC")
    expect(page.locator("#zone")).to_be_hidden()
    page.context.close()


def test_without_scripts_the_pages_are_whole(browser: Browser, site: Served) -> None:
    """Bars are links, forms work, times are in UTC; what needs a script does not show."""
    page = tab(browser, site, java_script_enabled=False)
    page.goto(site.at("/logs?range=1h"))
    for needs_script in ("#live", "#zone", "#cancel", "#keys"):
        expect(page.locator(needs_script)).to_be_hidden()
    assert page.locator(".histogram a").count() > 10
    page.locator(".times summary").click()
    page.locator("input[name=from]").fill("2026-02-05T13:30")
    page.locator("input[name=to]").fill("2026-02-05T13:45")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile(r"since=2026-02-05T13%3A30%3A00\.000Z"))
    page.locator(".saved > summary").click()
    page.locator(".saved input[name=name]").fill("quarter")
    page.get_by_role("button", name="Save this search").click()
    page.wait_for_url(re.compile("since="))
    page.goto(site.at("/logs"))
    page.locator(".saved > summary").click()
    page.get_by_role("link", name="quarter").click()
    page.wait_for_url(re.compile("since="))
    page.context.close()


def test_the_button_cancels_the_question(browser: Browser, tmp_path: Path) -> None:
    """It shows while a page is waited for; the page before stays, the store is asked no more."""
    store: Any = SlowStore()
    with served(plain_sources(lambda: store, tmp_path)) as site:
        page = tab(browser, site, "/incidents")
        page.route("**/asked", lambda route: route.fulfill(body=str(store.is_asked.is_set())))
        page.evaluate(CANCEL_WHEN_ASKED)
        deadline = time.monotonic() + LONG
        while not store.is_cancelled.is_set():
            assert time.monotonic() < deadline
            page.wait_for_timeout(100)
        assert page.evaluate("sessionStorage.said") == "asking …"
        expect(page.locator("#cancel")).to_be_hidden()
        assert page.url.endswith("/incidents")
        page.context.close()


class BusyStore:
    """A store to which so many records arrive in a second; it has 50 others."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.sent = 0
        self.is_closed = threading.Event()

    def follow(self, _selection: object) -> Iterator[Sequence[Hit]]:
        began = time.monotonic()
        while True:
            due = min(int((time.monotonic() - began) * self.rate), self.sent + 10_000)
            yield [hit(number) for number in range(self.sent, due)]
            self.sent = due

    def close(self) -> None:
        self.is_closed.set()


def hit(number: int) -> Hit:
    return Hit(f"x-{number}", NOW + number, {"message": f"number {number}", "level": "INFO"})


@pytest.mark.parametrize("rate", [1000, 20_000])
def test_the_live_tail_keeps_up(browser: Browser, tmp_path: Path, rate: int) -> None:
    """Whatever the rate, what is not in the list is counted there; scrolled down, nothing moves."""
    busy: Any = BusyStore(rate)
    sources, _ = full_sources(tmp_path)
    stores = iter([sources.opened(), busy])
    with served(plain_sources(lambda: next(stores), tmp_path)) as site:
        page = tab(browser, site, "/logs", viewport={"width": 1000, "height": 700})
        page.get_by_role("button", name="Live").click()
        said = page.locator("#tail")
        expect(said).to_contain_text("the newest 500 shown", timeout=WAIT_MS)
        assert accounted(page) >= 400
        assert re.match(r"live, [\d.]+ records/s, [\d,]+ since the start", said.inner_text())

        page.evaluate("scrollTo(0, 600)")
        page.wait_for_function("scrollY > 200")
        expect(said).to_contain_text("new above", timeout=WAIT_MS)
        first = page.locator("#arriving li").first.inner_text()
        page.wait_for_timeout(1500)
        assert page.locator("#arriving li").first.inner_text() == first
        page.evaluate("scrollTo(0, 0)")
        expect(said).not_to_contain_text("new above", timeout=WAIT_MS)
        accounted(page)

        page.get_by_role("button", name="Live").click()
        expect(said).to_have_text("stopped")
        page.context.close()
        assert busy.is_closed.wait(LONG)


def accounted(page: Page) -> int:
    """Return how many records the list shows; each that is missing between them is counted."""
    lines = page.locator("#arriving").inner_text().splitlines()
    shown, left = 0, 0
    newer: int | None = None
    for line in lines:
        if found := re.match(r"([\d,]+) records are left out", line):
            left += int(found[1].replace(",", ""))
        elif found := re.search(r"number (\d+)", line):
            number = int(found[1])
            if newer is not None:
                assert newer - number - 1 == left, line
            newer, left, shown = number, 0, shown + 1
    return shown
