"""
A report as a mail: a plain text, and HTML that mail clients show alike.

The HTML is tables with styles in place, no more: no style element, no link, nothing from outside.
Pictures are PNG in the mail itself, and what they show is said in words as well; without the
package that draws them (the extra `reports`) the mail has none. Clients cut long mails, so sections
are left out from the end when it gets too long, and the text says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import Final

from shipper.reports import glance
from shipper.reports.document import (
    ReportBlock,
    ReportChart,
    ReportDocument,
    ReportFigure,
    ReportFigures,
    ReportSection,
    ReportTable,
    ReportText,
    State,
)
from shipper.reports.html import WORDS, chart_of, link_of, text
from shipper.reports.markdown import as_markdown, chart_words
from shipper.text import safe

HTML_LIMIT: Final = 90_000  # bytes; some clients cut mails that are longer than 102 KB
TEXT_LIMIT: Final = 200_000
MOST_PICTURES: Final = 12
ZOOM: Final = 1.5
COLORS: Final = {
    State.NONE: "#dfe4ea",
    State.GOOD: "#1a7f4b",
    State.ATTENTION: "#a15c00",
    State.BAD: "#c0262d",
}
FONTS: Final = "/usr/share/fonts"
FAMILIES: Final = {
    "DejaVu Sans": "DejaVuSans.ttf",
    "Liberation Sans": "LiberationSans-Regular.ttf",
    "Noto Sans": "NotoSans-Regular.ttf",
}
MOST_FOLDERS: Final = 1000  # that are looked through for a font
_CELL: Final = "padding:4px 10px 4px 0;border-bottom:1px solid #dfe4ea;vertical-align:top"
_CODE: Final = "font-family:monospace;font-size:12px;background:#f6f7f9;padding:6px"


def mail_of(document: ReportDocument, zone: tzinfo) -> EmailMessage:
    """Return a report as a mail without its recipients."""
    writer = _MailWriter(zone)
    html = writer.page(document)
    message = EmailMessage(policy=WIRE)
    message["Subject"] = safe(subject_of(document))
    plain = as_markdown(document, zone)
    message.set_content(plain[:TEXT_LIMIT], cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    page = message.get_body(("html",))
    assert isinstance(page, EmailMessage)
    for name, data in writer.pictures.items():
        page.add_related(
            data, "image", "png", cid=f"<{name}>", disposition="inline", filename=f"{name[:8]}.png"
        )
    return message


def subject_of(document: ReportDocument) -> str:
    """Return the subject: the title, and how many sections need somebody."""
    repeats = {glance.TITLE, "Checklist"}
    needs = [s for s in document.sections if s.state is State.BAD and s.title not in repeats]
    words = f"{len(needs)} need action" if len(needs) > 1 else "1 needs action"
    return f"{document.title}: {words if needs else 'nothing needs action'}"


def summary_of(document: ReportDocument) -> str:
    """Return a report in a few lines, for a chat."""
    lines = [subject_of(document)]
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, ReportFigures) and section.title == "Key figures":
                lines += [
                    f"{WORDS[each.state] or '·'}: {each.label} {each.value}"
                    for each in block.figures
                ]
        if section.title == glance.TITLE:
            lines += [
                f"{WORDS[each.state] or '·'}: {each.text}"
                for each in section.blocks
                if isinstance(each, ReportText)
            ]
    return "\n".join(map(safe, lines))


@dataclass(slots=True)
class _MailWriter:
    """Writes one mail; `pictures` are its PNGs by their content id."""

    zone: tzinfo
    pictures: dict[str, bytes] = field(default_factory=dict)

    def page(self, document: ReportDocument) -> str:
        """Return the HTML of a mail."""
        note = ""
        if document.note:
            note = f'<p style="color:#a15c00">Not complete: {text(document.note)}</p>'
        head = (
            '<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head>\n'
            '<body style="font-family:Arial,sans-serif;font-size:14px;color:#1c2733">\n'
            f'<h1 style="font-size:22px;margin:0">{text(document.title)}</h1>\n'
            f'<p style="color:#5b6875">{text(document.subtitle)}</p>\n{note}\n'
        )
        left = HTML_LIMIT - len(head.encode())
        parts = [head]
        for section in document.sections:
            part = self._section(section)
            left -= len(part.encode())
            if left < 0:
                parts.append("<p>The mail ends here; the report has more.</p>\n")
                break
            parts.append(part)
        return "".join([*parts, "</body></html>\n"])

    def _section(self, section: ReportSection) -> str:
        word = WORDS[section.state]
        state = f' <span style="color:{COLORS[section.state]}">{word}</span>' if word else ""
        title = f'<h2 style="font-size:16px">{text(section.title)}{state}</h2>\n'
        return title + "".join(part for block in section.blocks for part in self._block(block))

    def _block(self, block: ReportBlock) -> Iterator[str]:
        match block:
            case ReportFigures(figures=figures):
                rows = "".join(map(_figure, figures))
                yield f'<table style="border-collapse:collapse">{rows}</table>\n'
            case ReportTable(rows=()):
                yield f"<p>{text(block.empty)}</p>\n"
            case ReportTable():
                yield _table(block)
            case ReportChart():
                yield from self._picture(block)
            case ReportText(code=True):
                yield f'<p style="{_CODE}">{text(block.text)}</p>{link_of(block)}\n'
            case ReportText():
                word = WORDS[block.state]
                color = f"color:{COLORS[block.state]};font-weight:bold"
                state = f'<span style="{color}">{word}</span> ' if word else ""
                yield f"<p>{state}{text(block.text)}</p>\n"

    def _picture(self, chart: ReportChart) -> Iterator[str]:
        if len(self.pictures) >= MOST_PICTURES or not any(v is not None for _, v in chart.points):
            return
        data = png_of(chart_of(chart, self.zone))
        if data is not None:
            name = f"{sha256(data).hexdigest()[:16]}@shipper"
            self.pictures[name] = data
            title = text(chart_words(chart, self.zone))
            yield f'<p>{title}<br><img src="cid:{name}" alt="{title}" width="760"></p>\n'


def png_of(svg: str) -> bytes | None:
    """Return a picture as PNG; None if the package that draws it is not installed."""
    if find_spec("resvg_py") is None:
        return None
    family, path = _font()
    drawn = import_module("resvg_py").svg_to_bytes(
        svg_string=svg,
        zoom=ZOOM,
        background="#ffffff",
        skip_system_fonts=True,  # reading all of them takes its time
        font_files=[path] if path else [],
        sans_serif_family=family,
    )
    return bytes(drawn)


@cache
def _font() -> tuple[str, str]:
    """Return a font of this machine and its file; without any, pictures have no labels."""
    for folder, _, names in islice(os.walk(FONTS), MOST_FOLDERS):
        for family, name in FAMILIES.items():
            if name in names:
                return family, f"{folder}/{name}"
    return "sans-serif", ""


def _figure(figure: ReportFigure) -> str:
    target = f"target {figure.target}" if figure.target else figure.detail
    before = f"before {figure.before} {figure.arrow}" if figure.before else ""
    cells = "".join(
        f'<td style="{_CELL};color:#5b6875">{text(each)}</td>' for each in (target, before)
    )
    return (
        f'<tr><td style="{_CELL};border-left:4px solid {COLORS[figure.state]};padding-left:8px">'
        f'{text(figure.label)}</td><td style="{_CELL};text-align:right"><b>{text(figure.value)}</b>'
        f'</td><td style="{_CELL};color:{COLORS[figure.state]}">{WORDS[figure.state]}</td>'
        f"{cells}</tr>\n"
    )


def _table(table: ReportTable) -> str:
    states = table.states or (State.NONE,) * len(table.rows)
    head = "".join(_cell("th", cell, n in table.right) for n, cell in enumerate(table.columns))
    rows = []
    for row, state in zip(table.rows, states, strict=True):
        cells = "".join(_cell("td", cell, n in table.right) for n, cell in enumerate(row))
        word = f'<td style="{_CELL};color:{COLORS[state]}">{WORDS[state]}</td>'
        rows.append(f"<tr>{cells}{word}</tr>\n")
    return (
        f'<table style="border-collapse:collapse"><tr>{head}<th></th></tr>\n'
        f"{''.join(rows)}</table>\n"
    )


def _cell(tag: str, value: str, right: bool) -> str:  # noqa: FBT001 - of a cell
    side = "right" if right else "left"
    return f'<{tag} style="{_CELL};text-align:{side}">{text(value)}</{tag}>'
