"""
Takes the screenshots of docs/dashboard.md, of a running demo.

    make run                                # in one terminal; it prints the link of the dashboard
    make screenshots LINK='http://127.0.0.1:…/?token=…'

For the incident: switch the database of the demo off a minute before, as the README shows.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

FOLDER = Path(__file__).parents[1] / "docs/dashboard"
WIDE, NARROW = (1200, 900), (500, 900)
CHROMIUM = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars"]
DARK = "--blink-settings=preferredColorScheme=0"
PAGES = [
    ("overview", "/?range=15m", WIDE, ""),
    ("overview-dark", "/?range=15m", WIDE, DARK),
    ("overview-narrow", "/?range=15m", NARROW, ""),
    ("logs", "/logs?q=level%3AERROR&range=15m", WIDE, ""),
    ("logs-dark", "/logs?q=level%3AERROR&range=15m", (1200, 500), DARK),
    ("logs-narrow", "/logs?q=level%3AERROR&range=15m", (500, 700), ""),
    ("incidents", "/incidents", (1200, 420), ""),
    ("incident", "/incidents/{id}", (1200, 900), ""),
    ("pipeline", "/pipeline", (1200, 260), ""),
]


def main(link: str) -> None:
    """Take a picture of every page."""
    parts = urlsplit(link)
    server, token = f"{parts.scheme}://{parts.netloc}", parts.query
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        first = incident_of(f"{server}/incidents?{token}", profile)  # the link opens it once
        for name, path, (width, height), option in PAGES:
            if "{id}" in path and not first:
                continue
            page = path.replace("{id}", first)
            command = [*CHROMIUM, f"--user-data-dir={profile}", f"--window-size={width},{height}"]
            command += [f"--screenshot={FOLDER / name}.png", *([option] if option else [])]
            subprocess.run(  # noqa: S603 - a browser, for a page of ours
                [*command, server + page], check=True, timeout=120, stderr=subprocess.DEVNULL
            )


def incident_of(address: str, profile: str) -> str:
    """Return the id of the first incident in the list, empty without one; the browser is let in."""
    done = subprocess.run(  # noqa: S603 - a browser, for a page of ours
        [*CHROMIUM, f"--user-data-dir={profile}", "--dump-dom", address],
        check=True,
        timeout=120,
        capture_output=True,
        text=True,
    )
    found = re.search(r'href="/incidents/([^"]+)"', done.stdout)
    return found[1] if found else ""


if __name__ == "__main__":
    main(sys.argv[1])
