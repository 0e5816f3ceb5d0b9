"""Fuzz for as long as wished; a case that fails is printed, and kept in the corpus."""

from __future__ import annotations

import hashlib
import random
import sys
import time

from tests.fuzz.lines import CORPUS, Case, check
from tests.fuzz.mutate import mutate


def main() -> None:
    """Change cases of the corpus at random; those that reach new tags become seeds of this run."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    rng = random.Random(time.time_ns())
    seeds = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        raw = mutate(rng, seeds)
        count += 1
        try:
            check(Case.of(raw))
        except BaseException:
            path = CORPUS / hashlib.sha256(raw).hexdigest()[:16]
            path.write_bytes(raw)
            sys.stderr.write(f"failed after {count:,} cases; kept as {path}\n")
            raise
    sys.stdout.write(f"{count:,} cases in {seconds:.0f} s, no failure\n")


if __name__ == "__main__":
    main()
