"""The metrics: read by Prometheus' own parser, documented, named as is usual."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from shipper.agent.metrics import METRICS, MetricField, MetricsSnapshot, exposition
from shipper.deliver.histogram import EVENTS, SECONDS, Histogram

ROOT = Path(__file__).parents[2]


def reading() -> MetricsSnapshot:
    """Return a reading in which every number is another."""
    values: dict[str, object] = {}
    for number, field in enumerate(dataclasses.fields(MetricsSnapshot)):
        metric: MetricField = field.metadata["metric"]
        values[field.name] = number + 0.5 if "seconds" in metric.name else number
    seconds, events = Histogram(SECONDS), Histogram(EVENTS)
    for value in (0.005, 0.0051, 3.0, 100.0):
        seconds.observe(value)
    values |= {"publish_seconds": seconds, "batch_events": events}
    values["polls"] = {("api", "healthy"): 3, ("api", "timeout"): 1, ("büro-1.x", "tls"): 0}
    return MetricsSnapshot(**values)  # type: ignore[arg-type]


def test_a_real_parser_reads_all_of_it() -> None:
    """Prometheus' parser finds every metric, with its kind, its help and its value."""
    it = reading()

    families = {each.name: each for each in text_string_to_metric_families(exposition(it, "1.2"))}

    for field in dataclasses.fields(it):
        metric: MetricField = field.metadata["metric"]
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.meaning)
        if metric.labels:
            found = {tuple(each.labels.values()): each.value for each in family.samples}
            assert found == getattr(it, field.name)
            assert {tuple(each.labels) for each in family.samples} == {metric.labels}
        elif metric.kind != "histogram":
            (sample,) = family.samples
            assert (sample.name, sample.value) == (metric.name, getattr(it, field.name))
    assert len(families) == len(METRICS) + 1
    assert families["shipper_info"].samples[0].labels == {"version": "1.2"}


def test_a_histogram_adds_up() -> None:
    """A bucket counts all that is at most its bound; the last one counts all."""
    text = exposition(reading(), "1")
    families = {each.name: each for each in text_string_to_metric_families(text)}
    samples = families["shipper_publish_seconds"].samples
    buckets = {s.labels["le"]: s.value for s in samples if s.name.endswith("_bucket")}

    assert (buckets["0.005"], buckets["0.01"], buckets["2.5"], buckets["5.0"]) == (1, 2, 2, 3)
    assert (buckets["30.0"], buckets["+Inf"]) == (3, 4)
    assert [s.value for s in samples if s.name.endswith("_sum")] == [103.0101]
    assert [s.value for s in samples if s.name.endswith("_count")] == [4]


def test_names_are_as_usual() -> None:
    """A counter ends with _total, nothing else does; every name says whose it is."""
    for metric in METRICS:
        assert re.fullmatch(r"(shipper|process)(_[a-z]+)+", metric.name)
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert metric.meaning.endswith(".")
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_every_metric_is_documented() -> None:
    """docs/metrics.md has a row for every metric, and for none that is not there."""
    text = (ROOT / "docs/metrics.md").read_text()
    rows = [f"| `{each.name}` | {each.kind} | {each.meaning} |" for each in METRICS]

    assert [row for row in rows if row not in text] == []
    assert {*re.findall(r"^\| `((?:shipper|process)_\w+)` \|", text, re.MULTILINE)} == {
        "shipper_info",
        *(each.name for each in METRICS),
    }
