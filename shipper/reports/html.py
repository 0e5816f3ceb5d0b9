"""
A report as one HTML file: inline styles and SVG, no script, nothing loaded from anywhere.

It follows the light or dark setting of the reader, and prints in black on white. Every text is
escaped, and a policy in its head forbids the page to load or run anything, whatever is in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from html import escape
from typing import Final

from shipper.charts import ChartLine, time_chart
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
from shipper.text import safe

WORDS: Final = {
    State.NONE: "",
    State.GOOD: "good",
    State.ATTENTION: "attention",
    State.BAD: "needs action",
}
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"

STYLE: Final = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1c2733;--soft:#5b6875;
--line:#dfe4ea;
--good:#1a7f4b;--attention:#a15c00;--bad:#c0262d;--series:#2563eb}
@media (prefers-color-scheme:dark){:root{--page:#11161c;--card:#1a212a;--ink:#e6ebf1;--soft:#9aa7b4;
--line:#2d3743;--good:#4cc38a;--attention:#f0a94b;--bad:#ff7b7f;--series:#7aa7ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif;
overflow-wrap:anywhere}
main{max-width:1040px;margin:0 auto;padding:32px 20px}
h1{font-size:28px;line-height:1.2;margin:0 0 4px}
h2{font-size:18px;margin:0 0 14px}
p{margin:8px 0}
.soft{color:var(--soft)}a{color:var(--series)}
.note{border-left:4px solid var(--attention);padding:8px 14px;background:var(--card);margin:16px 0}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:20px;
margin:18px 0;break-inside:avoid-page}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:12px}
.figure{border:1px solid var(--line);border-left:4px solid var(--line);border-radius:8px;
padding:10px 14px}
.figure b{display:block;font-size:24px;line-height:1.3;font-variant-numeric:tabular-nums;
overflow-wrap:anywhere}
.figure .good{color:var(--good)}
.good{border-left-color:var(--good)}.attention{border-left-color:var(--attention)}
.bad{border-left-color:var(--bad)}
.word{font-weight:600;font-size:12px;white-space:nowrap}
.word.good{color:var(--good)}.word.attention{color:var(--attention)}.word.bad{color:var(--bad)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;margin:10px 0}
th{text-align:left;color:var(--soft);font-weight:600;border-bottom:1px solid var(--line);
padding:6px 14px 6px 0;vertical-align:bottom}
td{border-bottom:1px solid var(--line);padding:6px 14px 6px 0;vertical-align:top;
overflow-wrap:anywhere;min-width:7em}
tr:last-child td{border-bottom:0}
.right{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;min-width:0}
code{display:block;font:12.5px/1.5 ui-monospace,monospace;background:var(--page);border-radius:6px;
padding:7px 10px;margin:8px 0;overflow-wrap:anywhere;white-space:pre-wrap}
figure{margin:14px 0 4px}figcaption{font-size:13px;color:var(--soft);margin-bottom:4px}
svg{width:100%;height:auto;display:block}
.series-0{stroke:var(--series)}.fill-0{fill:var(--series)}.label{fill:var(--soft)}
.axis{stroke:var(--soft)}.grid{stroke:var(--line)}.limit{stroke:var(--bad)}
@media(max-width:600px){main{padding:20px 10px}section{padding:14px}h1{font-size:24px}
.figures{grid-template-columns:repeat(auto-fit,minmax(125px,1fr));gap:8px}.figure{padding:8px 10px}
.figure b{font-size:20px}}
@media print{:root{--page:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--good:#14633a;
--attention:#7a4600;--bad:#9b1c22;--series:#1d4ed8}
main{max-width:none;padding:0}section{border:0;padding:0}body{font-size:11pt}}
"""


def as_html(document: ReportDocument, zone: tzinfo) -> str:
    """Return a report as an HTML page."""
    note = f'<p class="note">Not complete: {text(document.note)}</p>' if document.note else ""
    sections = "\n".join(_section(section, zone) for section in document.sections)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{text(document.title)}</title>\n<style>{STYLE}</style></head>\n<body><main>\n"
        f'<h1>{text(document.title)}</h1>\n<p class="soft">{text(document.subtitle)}</p>\n'
        f"{note}\n{sections}\n</main></body></html>\n"
    )


def text(value: str) -> str:
    """Return a text that HTML shows as it is, control characters as escapes."""
    return escape(safe(value))


def link_of(block: ReportText) -> str:
    """Return the link below a command, nothing if it has none."""
    if not block.link:
        return ""
    return f'<p><a href="{escape(block.link)}" rel="noreferrer">Show in Kibana</a></p>'


def chart_of(chart: ReportChart, zone: tzinfo) -> str:
    """Return the picture of a chart as SVG."""
    lines = [ChartLine(chart.title, chart.points)]
    return time_chart(lines, zone, unit=chart.unit, limit=chart.limit, bars=chart.bars)


def _section(section: ReportSection, zone: tzinfo) -> str:
    blocks = "\n".join(part for block in section.blocks for part in _block(block, zone))
    return f"<section><h2>{text(section.title)} {_word(section.state)}</h2>\n{blocks}\n</section>"


def _word(state: State) -> str:
    word = WORDS[state]
    return f'<span class="word {state}">{word}</span>' if word else ""


def _block(block: ReportBlock, zone: tzinfo) -> Iterator[str]:
    match block:
        case ReportFigures(figures=figures):
            yield f'<div class="figures">{"".join(map(_figure, figures))}</div>'
        case ReportTable(rows=()):
            yield f'<p class="soft">{text(block.empty)}</p>'
        case ReportTable():
            yield _table(block)
        case ReportChart():
            title = text(block.title)
            yield f"<figure><figcaption>{title}</figcaption>{chart_of(block, zone)}</figure>"
        case ReportText(code=True):
            yield f"<code>{text(block.text)}</code>{link_of(block)}"
        case ReportText():
            word = _word(block.state)
            yield f"<p>{word}{' ' if word else ''}{text(block.text)}</p>"


def _figure(figure: ReportFigure) -> str:
    lines = [f"target {figure.target}"] if figure.target else []
    lines += [figure.detail] if figure.detail else []
    lines += [f"before {figure.before} {figure.arrow}"] if figure.before else []
    below = "".join(f'<div class="soft">{text(line)}</div>' for line in lines)
    return (
        f'<div class="figure {figure.state}"><div class="soft">{text(figure.label)}</div>'
        f"<b>{text(figure.value)}</b>{_word(figure.state)}{below}</div>"
    )


def _table(table: ReportTable) -> str:
    head = "".join(_cell("th", cell, n in table.right) for n, cell in enumerate(table.columns))
    states = table.states or (State.NONE,) * len(table.rows)
    judged = any(state is not State.NONE for state in states)
    rows = []
    for row, state in zip(table.rows, states, strict=True):
        cells = "".join(_cell("td", cell, n in table.right) for n, cell in enumerate(row))
        rows.append(f"<tr>{cells}{f'<td>{_word(state)}</td>' if judged else ''}</tr>")
    more = "<th></th>" if judged else ""
    return (
        f'<div class="scroll"><table><thead><tr>{head}{more}</tr></thead>\n'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(tag: str, value: str, right: bool) -> str:  # noqa: FBT001 - of a cell
    return f"<{tag}{' class=right' if right else ''}>{text(value)}</{tag}>"
