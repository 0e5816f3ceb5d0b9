"""
Files that come with the package: the rules, their runbooks, and alerters to begin with.

Where a config does not say otherwise, a file or folder of one's own in `config/` is used, and the
one that came with the package where there is none. So an installed package has rules, and an
update brings new ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

SHIPPED: Final = Path(__file__).resolve().parents[1] / "alerts/shipped"
OWN: Final = Path("config")


def own_or_shipped(name: str) -> Path:
    """Return the folder of this name in `config/`, or the one that came with the package."""
    own = OWN / name
    return own if own.exists() else SHIPPED / name
