"""A fault is one page, though its rules fire at other times and over other windows."""

from __future__ import annotations

import random

import pytest

from bench.alerts_together import FAMILY, ROOT, paged
from bench.traffic import DAY, Fault, traffic
from shipper.alerts.rules.reading import load_rules


@pytest.mark.parametrize(("rate", "share"), [(2.0, 0.22), (5.0, 0.2), (0.5, 0.35)])
def test_a_fault_at_the_border_of_a_worse_rule_is_one_page(rate: float, share: float) -> None:
    """Just over the threshold of the worst rule, it fires later than the others, and on and off."""
    rules = load_rules(ROOT / "config" / "rules").named(FAMILY)
    faults = [Fault(day * DAY + 600, 45, share) for day in range(2)]
    counts = list(traffic(random.Random(4), rate, 2 * DAY, faults))
    found = paged(rules, counts, faults)
    assert found.pages == (1, 1)
    assert found.false == 0
    assert max(found.delays) <= 8
