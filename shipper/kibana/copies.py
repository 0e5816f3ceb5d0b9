"""
Copies of what people changed in Kibana, kept before `setup` puts ours in its place.

    <data_dir>/kibana/<id>-<time>.json    the object as Kibana showed it

A copy is on the disk before the object is overwritten; one that cannot be kept stops the setup. To
have it back, send it under another id (docs/kibana.md).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipper.errors import ShipperError
from shipper.files import make_folder, write_whole
from shipper.times import iso


@dataclass(frozen=True, slots=True)
class KibanaCopies:
    """Keeps copies below a folder; `now` is the time of this setup, in epoch ms."""

    folder: Path
    now: int

    def keep(self, id_: str, found: dict[str, Any]) -> Path:
        """
        Write what was found; return its file.

        Raises:
            ShipperError: it could not be written.
        """
        path = self.folder / f"{id_}-{re.sub('[-:.]', '', iso(self.now))}.json"
        try:
            make_folder(self.folder)
            write_whole(path, text_of(found).encode(), durable=True)
        except OSError as error:
            raise ShipperError(
                f"{path}: the copy of {id_}, which was changed in Kibana, cannot be kept: "
                f"{error.strerror or error}",
                "correct that, or save a copy in Kibana and delete the original",
            ) from None
        return path


def text_of(found: dict[str, Any]) -> str:
    """Return an object as text."""
    return json.dumps(found, indent=2, sort_keys=True) + "\n"
