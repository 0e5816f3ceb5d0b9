"""
Takes the screenshots of docs/dashboard.md, of a running demo.

    make run                                # in one terminal; it prints the link of the dashboard
    make screenshots LINK='http://127.0.0.1:…/?token=…'

For the incident: switch the database of the demo off a minute before, as the README shows. The link
is used once; all pictures are of the session that it opens.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, StorageState

FOLDER: Final = Path(__file__).parents[1] / "docs/dashboard"
PHONE: Final = 360  # pixels
PAGES: Final = [  # name, page, size, is dark
    ("overview", "/?range=15m", (1200, 900), False),
    ("overview-dark", "/?range=15m", (1200, 900), True),
    ("overview-narrow", "/?range=15m", (PHONE, 900), False),
    ("logs", "/logs?q=level%3AERROR&range=15m", (1200, 900), False),
    ("logs-dark", "/logs?q=level%3AERROR&range=15m", (1200, 500), True),
    ("logs-narrow", "/logs?q=level%3AERROR&range=15m", (PHONE, 900), False),
    ("incidents", "/incidents", (1200, 420), False),
    ("incident", "/incidents/{id}", (1200, 900), False),
    ("incident-narrow", "/incidents/{id}", (PHONE, 900), True),
    ("rule", "/rules/error_rate_high?range=1h", (1200, 600), False),
    ("pipeline", "/pipeline", (1200, 300), False),
]


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
        page.goto(f"{server}/incidents")
        found = re.search(r'href="/incidents/([^"]+)"', page.content())
        session = context.storage_state()
        for name, path, size, is_dark in PAGES:
            if found or "{id}" not in path:
                address = server + path.replace("{id}", found[1] if found else "")
                _take(browser, session, address, FOLDER / f"{name}.png", size, is_dark=is_dark)
        browser.close()


def _take(  # noqa: PLR0913 - what a picture is of
    browser: Browser,
    session: StorageState,
    address: str,
    path: Path,
    size: tuple[int, int],
    *,
    is_dark: bool,
) -> None:
    width, height = size
    context = browser.new_context(
        storage_state=session,
        viewport={"width": width, "height": height},
        color_scheme="dark" if is_dark else "light",
    )
    page = context.new_page()
    page.goto(address)
    page.screenshot(path=path)
    context.close()


if __name__ == "__main__":
    main(sys.argv[1])
