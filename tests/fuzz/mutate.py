"""Changes to cases of the corpus, as a fuzzer makes them."""

from __future__ import annotations

import random
from collections.abc import Sequence

PIECES = (
    *(
        b"\n",
        b"\r\n",
        b"\0",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xf0\x9f",
        b"\xe2\x80\xa8",
    ),
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u0000", b"\\ud800", b"\\n", b"\t", b" "),
    *(b"null", b"true", b"1e999", b"-0", b"99999999999999999999", b"0.1", b"NaN"),
    *(b'{"timestamp":"', b'"}\n{"timestamp":"', b'"timestamp":null', b'"seq":', b'"run":"'),
    *(b'"log":{"offset":1}', b'"_id":"x"', b'"@timestamp":1', b'"tags":1', b'"extra":{}'),
    b"Traceback (most recent call last):\n",
)


def mutate(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Take a seed, or two, and change some of it."""
    raw = bytearray(rng.choice(seeds))
    for _ in range(rng.randrange(1, 8)):
        at, width = rng.randrange(len(raw) + 1), rng.choice((1, 1, 2, 8, 60))
        match rng.randrange(7):
            case 0:
                raw[at:at] = rng.choice(PIECES)
            case 1:
                raw[at : at + width] = rng.randbytes(width)
            case 2:
                del raw[at : at + width]
            case 3:
                raw[at:at] = raw[at : at + width] * rng.randrange(1, 30)
            case 4:
                other = rng.choice(seeds)
                start = rng.randrange(len(other) + 1)
                raw[at:at] = other[start : start + rng.randrange(200)]
            case 5:
                raw[at:at] = rng.choice(PIECES) * rng.randrange(1, 200)
            case _:
                raw[:1] = rng.randbytes(1)
    return bytes(raw[:20_000])
