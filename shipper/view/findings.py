"""The findings of a check: one line each, with fault and remedy, and the totals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.check.finding import FindingLevel
from shipper.text import Paint, counted, safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipper.check.finding import Finding

_LEVELS = {FindingLevel.OK: "INFO", FindingLevel.WARNING: "WARNING", FindingLevel.ERROR: "ERROR"}


def findings_text(findings: Sequence[Finding], paint: Paint) -> list[str]:
    """Return a line per finding, and the numbers of errors and warnings."""
    counts = [
        counted(count, level)
        for level in (FindingLevel.ERROR, FindingLevel.WARNING)
        if (count := sum(finding.level is level for finding in findings))
    ]
    return [
        *(_line(finding, paint) for finding in findings),
        ", ".join(counts) or "no problems found",
    ]


def _line(finding: Finding, paint: Paint) -> str:
    level = paint.level(f"{finding.level:<7}", _LEVELS[finding.level])
    remedy = f"; {safe(finding.remedy)}" if finding.remedy else ""
    return f"{level}  {safe(finding.place)}: {safe(finding.fault)}{remedy}"
