"""Whatever bytes are in a file: a document a line, valid, and the neighbours unharmed."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.enrich.enriching import line_of
from tests.fuzz.lines import CORPUS, Case, check, check_neighbours, tags_of
from tests.fuzz.mutate import PIECES, mutate

SEEDS = {path.name: path.read_bytes() for path in sorted(CORPUS.iterdir())}

TAGS = {
    *("not_json", "not_an_object", "duplicate_keys", "too_deep", "truncated", "invalid_utf8"),
    *("no_timestamp", "moved"),
}

PIECE = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(PIECES),
    st.builds(lambda piece, count: piece * count, st.sampled_from(PIECES), st.integers(2, 100)),
    st.builds(lambda seq: line_of(seq) + b"\n", st.integers(0, 2**53 - 1)),
    st.builds(lambda text: line_of(1, message=text) + b"\n", st.text(max_size=60)),
)
BYTES = st.lists(PIECE, max_size=12).map(b"".join)


@pytest.mark.parametrize("name", SEEDS)
def test_the_corpus(name: str) -> None:
    """What is kept as a seed, and what once failed, passes."""
    check(Case.of(SEEDS[name]))


def test_the_corpus_reaches_every_oddity() -> None:
    """The seeds have every tag that a line can get: changes to them start where it matters."""
    found = sum((tags_of(check(Case.of(raw))) for raw in SEEDS.values()), start=tags_of([]))
    assert {*found} >= TAGS


@pytest.mark.slow
@settings(max_examples=400)
@given(st.integers(0, 31), BYTES)
@example(0, b"\xef\xbb\xbf" + line_of(1) + b"\n")
def test_any_bytes(choice: int, data: bytes) -> None:
    """Bytes of any kind, under any limits."""
    check(Case.of(bytes([choice]) + data))


@pytest.mark.slow
@settings(max_examples=200)
@given(BYTES, PIECE, BYTES, st.sampled_from([64, 256, 4096]))
def test_neighbours_are_unharmed(left: bytes, line: bytes, right: bytes, limit: int) -> None:
    """A line gives the document that it gives alone, whatever is before and behind it."""
    check_neighbours(left, line, right, limit)


@pytest.mark.slow
def test_changes_to_the_corpus(request: pytest.FixtureRequest) -> None:
    """No change to the seeds breaks a line: the same thousand each time, others in `make fresh`."""
    rng = random.Random(request.config.getoption("--hypothesis-seed") or 20260205)
    seeds = [*SEEDS.values()]
    for _ in range(1000):
        raw = mutate(rng, seeds)
        try:
            check(Case.of(raw))
        except BaseException as error:
            raise AssertionError(f"put this into {CORPUS}: {raw!r}") from error
