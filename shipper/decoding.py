"""What msgspec raises of bytes that others wrote: not as expected, no UTF-8, too deep."""

from __future__ import annotations

from typing import Final

import msgspec

UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
