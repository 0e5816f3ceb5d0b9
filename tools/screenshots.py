"""
Takes the screenshots of docs/dashboard.md, of a running demo: every page light, dark and narrow.

    make run                                # in one terminal; it prints the link of the dashboard
    make screenshots LINK='http://127.0.0.1:…/?token=…'

For the incident: switch the database of the demo off a minute before, as the README shows. The link
is used once; all pictures are of the session that it opens. A report is begun if there is none.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, StorageState

FOLDER: Final = Path(__file__).parents[1] / "docs/dashboard"
PHONE: Final = 360  # pixels
PAGES: Final = {  # name → page, height of the picture
    "overview": ("/?range=15m", 900),
    "logs": ("/logs?q=level%3AERROR&range=15m", 700),
    "trace": ("{trace}", 420),
    "similar": ("/similar?q=level%3AERROR&range=15m", 500),
    "incidents": ("/incidents", 420),
    "incident": ("/incidents/{id}", 900),
    "rules": ("/rules", 600),
    "rule": ("/rules/error_rate_high?range=1h", 600),
    "pipeline": ("/pipeline", 300),
    "deadletters": ("/deadletters", 300),
    "reports": ("/reports", 300),
}
SCREENS: Final = (("", 1200, "light"), ("-dark", 1200, "dark"), ("-narrow", PHONE, "light"))


def main(link: str) -> None:
    """Take a picture of every page."""
    parts = urlsplit(link)
    server = f"{parts.scheme}://{parts.netloc}"
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        context = browser.new_context()
        page = context.new_page()
        page.goto(link)
        places = {"{id}": _incident(page, server), "{trace}": _trace(page, server)}
        _make_report(page, server)
        session = context.storage_state()
        for name, (path, height) in PAGES.items():
            for given, found in places.items():
                path = path.replace(given, found)  # noqa: PLW2901 - what is left out of the table
            for ending, width, scheme in SCREENS:
                size = (width, 700 if width == PHONE else height)
                _take(browser, session, server + path, FOLDER / f"{name}{ending}.png", size, scheme)
        browser.close()


def _incident(page: Page, server: str) -> str:
    """Return the id of the first incident."""
    page.goto(f"{server}/incidents")
    found = re.search(r'href="/incidents/([^"]+)"', page.content())
    if found is None:
        sys.exit("there is no incident; switch the database of the demo off, and wait a minute")
    return found[1]


def _trace(page: Page, server: str) -> str:
    """Return the page of a request that started a workflow."""
    page.goto(f"{server}/logs?q=event.dataset%3Aorchestrator.workflow+AND+request_id%3A*&range=1h")
    found = page.locator('a[href^="/trace"]').first.get_attribute("href")
    if found is None:
        sys.exit("there is no request yet; wait a minute")
    return found


def _make_report(page: Page, server: str) -> None:
    """Begin the report of today, if there is none and none is being made."""
    page.goto(f"{server}/reports")
    if page.locator('a[href^="/reports/"], .task').count():
        return
    day = page.locator("input[name=day]")
    day.fill(page.locator("#state").inner_text()[6:16])
    page.get_by_role("button", name="Make").click()
    expect(page.locator(".task").first).to_be_visible()  # done or not


def _take(  # noqa: PLR0913, PLR0917 - what a picture is of
    browser: Browser,
    session: StorageState,
    address: str,
    path: Path,
    size: tuple[int, int],
    scheme: str,
) -> None:
    width, height = size
    context = browser.new_context(
        storage_state=session,
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    page.goto(address)
    page.screenshot(path=path)
    context.close()


if __name__ == "__main__":
    main(sys.argv[1])
