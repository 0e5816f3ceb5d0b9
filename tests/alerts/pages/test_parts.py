"""The text of a page: on one line, safe, cut to limits, whatever a log line holds."""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.alerts.alerters.slack import entities, escaped, text_of
from shipper.alerts.incident import Change
from shipper.alerts.pages.parts import as_text, cut, fitted, line, parts_of, subject
from tests.alerts.paging import hostile_page, page
from tests.alerts.verdicts import MINUTE, START

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
TEXTS = st.text(st.characters(codec=None), max_size=300) | st.text("&<>`*_~ \n\\é", max_size=300)


@given(TEXTS, st.integers(1, 200))
def test_a_line_is_one_line(text: str, limit: int) -> None:
    """No control character, mark of direction or half of a character is left, and it has an end."""
    made = line(text, limit)

    assert UNSAFE.search(made) is None
    assert len(made) <= limit
    made.encode()


@given(TEXTS, st.integers(0, 80))
def test_what_fits_is_not_cut(text: str, limit: int) -> None:
    """A text that is short enough stays as it is, another one says that it was cut."""
    made = cut(text, limit)

    assert made == text if len(text) <= limit else len(made) <= max(limit, 1)


@pytest.mark.parametrize("form", [escape, entities, escaped])
@given(text=TEXTS, limit=st.integers(10, 120))
def test_escaped_text_is_cut_between_entities(form: object, text: str, limit: int) -> None:
    """The cut is made before the escaping: no entity is left half, no limit passed."""
    assert callable(form)
    made = fitted(text, limit, form)

    assert len(made) <= limit
    assert re.search(r"&(?!(?:amp|lt|gt|quot|#x27);)", made) is None
    assert "<" not in made


@given(TEXTS)
def test_slack_finds_no_markup_in_a_page(text: str) -> None:
    """Whatever stands in all places of a page: no link, no mention, no code that does not end."""
    made = text_of(hostile_page(text))

    assert len(made) <= 3000
    assert made.count("```") % 2 == 0
    assert re.search(r"<[^>]*>", made) is None
    outside = "".join(made.split("```")[::2])
    assert "`" not in outside


def test_what_says_nothing_is_left_out() -> None:
    """A part without a line is not there, and a summary that the title says is not said again."""
    labels = [part.label for part in parts_of(page())]

    assert "Notes" not in labels
    assert labels[0] == ""
    assert as_text(page()).count("\n\n\n") == 0


def test_the_subject_is_the_same_for_all_pages_of_an_incident() -> None:
    """It names severity, rule and group, and is cut."""
    assert subject(page()) == "[HIGH] server_errors (service.name=shop)"
    assert len(subject(page(service="x" * 1000), 150)) == 150


def test_how_long_it_has_been_so_is_reckoned_from_the_sending() -> None:
    """A page that goes out twelve minutes after its window says twelve minutes."""
    made = page(Change.FIRED, at=START)
    sent = replace(made, sent_at=START + 12 * MINUTE)

    (lines,) = [part.lines for part in parts_of(sent) if part.label == "Since"]
    assert lines[0].endswith("12.0 min ago")
