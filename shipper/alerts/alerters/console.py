"""
Pages on the standard output, for a terminal or the log of a service manager.

The worst colour of the terminal goes with the guide's: red for critical, yellow for warning, blue
for info. What comes from a log line has its control characters shown as escapes, so that it can
move no cursor and open no link.
"""

from __future__ import annotations

from typing import Final

from shipper.alerts.alerters.alerter import AlerterContext, AlerterUnavailable
from shipper.alerts.alerters.settings import Console
from shipper.alerts.page import Page
from shipper.alerts.pages.colors import word_of
from shipper.alerts.pages.parts import as_text, subject

CODES: Final = {"critical": "1;97;41", "warning": "1;33", "info": "1;34"}
RULE: Final = "─" * 72


class ConsoleAlerter:
    """Prints pages."""

    dedupes = False
    collects = True

    def __init__(self, name: str, settings: Console, surroundings: AlerterContext) -> None:
        self.name = name
        self.where = "standard output"
        self._out = surroundings.out
        self._colors = settings.colors == "always" or (
            settings.colors == "auto" and surroundings.colors
        )

    def notify(self, page: Page, reference: str | None) -> str | None:
        """Print one page; there is no reference."""
        del reference
        try:
            self._out.write(text_of(page, colors=self._colors))
            self._out.flush()
        except (OSError, ValueError) as error:
            fault = f"alerters.{self.name}.console: the standard output is gone"
            raise AlerterUnavailable(fault, "restart the alert job") from error
        return None


def text_of(page: Page, *, colors: bool) -> str:
    """Write a page for a terminal."""
    first, _, rest = as_text(page).partition("\n")
    named = subject(page)
    if colors:
        code = CODES[word_of(page.transition)]
        named, first = f"\x1b[{code}m{named}\x1b[0m", f"\x1b[1m{first}\x1b[0m"
    return f"{RULE}\n{named}\n{first}\n{rest}"
