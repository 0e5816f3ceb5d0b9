"""How far each rule is judged, and which windows are owed to late hosts."""

from __future__ import annotations

from collections.abc import Mapping

from shipper.alerts.ledger.file import LedgerFile


class RuleProgress:
    """
    The tables `judged` and `late` of a ledger; times are ends of windows in epoch milliseconds.

    What changes them is called within `LedgerFile.deciding`.
    """

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def judged(self) -> dict[str, int]:
        """Return the end of the last window that was judged, by rule."""
        return dict(self._file.rows("SELECT rule, up_to FROM judged"))

    def judged_up_to(self, rule: str) -> int | None:
        """Return the end of the last window of a rule that was judged."""
        found = self._file.rows("SELECT up_to FROM judged WHERE rule = ?", rule)
        return int(found[0][0]) if found else None

    def set_judged(self, rule: str, up_to: int) -> None:
        """Keep how far a rule is judged."""
        self._file.execute("INSERT OR REPLACE INTO judged VALUES (?, ?)", (rule, up_to))

    def late(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Return, by rule and host, the first and last end of the windows judged without it."""
        found = self._file.rows("SELECT rule, host, first, last FROM late")
        return {(rule, host): (first, last) for rule, host, first, last in found}

    def set_late(self, rule: str, host: str, ends: tuple[int, int] | None) -> None:
        """Keep which windows still lack a host; None for none."""
        if ends is None:
            self._file.execute("DELETE FROM late WHERE rule = ? AND host = ?", (rule, host))
        else:
            self._file.execute(
                "INSERT OR REPLACE INTO late VALUES (?, ?, ?, ?)", (rule, host, *ends)
            )

    def set(self, rule: str, judged: int | None, late: Mapping[str, tuple[int, int]]) -> None:
        """Keep how far a rule is judged, and which windows its hosts owe."""
        if judged is not None and self.judged_up_to(rule) != judged:
            self.set_judged(rule, judged)
        found = self._file.rows("SELECT host, first, last FROM late WHERE rule = ?", rule)
        before = {host: (first, last) for host, first, last in found}
        for host in {*before, *late}:
            if before.get(host) != late.get(host):
                self.set_late(rule, host, late.get(host))

    def forget_rule(self, rule: str) -> None:
        """Forget how far a rule is judged, as if it had never been there."""
        for table in ("judged", "late", "standing"):
            self._file.execute(f"DELETE FROM {table} WHERE rule = ?", (rule,))  # noqa: S608 - ours
