"""The findings of a check: one line each, with fault and remedy, and the totals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.check.finding import FindingLevel
from shipper.text import Paint, safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipper.check.finding import Finding

_LEVELS = {FindingLevel.OK: "INFO", FindingLevel.WARNING: "WARNING", FindingLevel.ERROR: "ERROR"}


def findings_text(findings: Sequence[Finding], paint: Paint) -> list[str]:
    """Return a line per finding, and the numbers of errors and warnings."""
    counts = [
        f"{count} {severity}{'s' if count != 1 else ''}"
        for severity in (FindingLevel.ERROR, FindingLevel.WARNING)
        if (count := sum(finding.severity is severity for finding in findings))
    ]
    return [
        *(_line(finding, paint) for finding in findings),
        ", ".join(counts) or "no problems found",
    ]


def _line(finding: Finding, paint: Paint) -> str:
    severity = paint.level(f"{finding.severity:<7}", _LEVELS[finding.severity])
    remedy = f"; {safe(finding.remedy)}" if finding.remedy else ""
    return f"{severity}  {safe(finding.place)}: {safe(finding.fault)}{remedy}"
