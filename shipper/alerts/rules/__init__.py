"""Rules: what they ask, how their files are read, and what each kind finds in the numbers."""

from __future__ import annotations

from typing import Final

# The kinds of questions; a rule file has exactly one of these keys.
KINDS: Final = (
    "count",
    "ratio",
    "metric",
    "absence",
    "spike",
    "new_value",
    "burn_rate",
    "job",
)
