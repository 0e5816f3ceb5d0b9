"""
Reads a dashboard as Kibana does: what a panel's JSON makes of the records.

It knows nothing of our declarations. KQL is parsed by the grammar of Kibana's own parser (`or`
binds loosest, `not` tightest) and becomes the queries that Kibana makes of it; an operation becomes
the aggregation that Lens makes of it. What it does not know is an error, not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]
Key = tuple[str, ...]  # the value of the group, if there is one, and the slot, if over time
Row = tuple[Any, ...]  # one value per metric

TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(<=|>=|[():<>*])|([^\s():<>"*]+))')


class Kql:
    """A recursive descent over one expression."""

    def __init__(self, text: str) -> None:
        self.tokens = [self.token(match) for match in TOKEN.finditer(text.strip())]
        assert "".join(TOKEN.sub("", text.strip())) == "", text
        self.at = 0

    @staticmethod
    def token(match: re.Match[str]) -> tuple[str, str]:
        quoted, mark, word = match.groups()
        if quoted is not None:
            return "text", re.sub(r"\\(.)", r"\1", quoted[1:-1])
        return ("mark", mark) if mark is not None else ("word", word)

    def next_is(self, *wanted: str) -> bool:
        if self.at >= len(self.tokens):
            return False
        kind, value = self.tokens[self.at]
        return kind != "text" and value.lower() in wanted

    def take(self) -> tuple[str, str]:
        self.at += 1
        return self.tokens[self.at - 1]

    def query(self) -> Json:
        if not self.tokens:
            return {"match_all": {}}
        found = self.any_of()
        assert self.at == len(self.tokens), f"left over: {self.tokens[self.at :]}"
        return found

    def any_of(self) -> Json:
        items = [self.all_of()]
        while self.next_is("or"):
            self.take()
            items.append(self.all_of())
        if len(items) == 1:
            return items[0]
        return {"bool": {"should": items, "minimum_should_match": 1}}

    def all_of(self) -> Json:
        items = [self.negated()]
        while self.next_is("and"):
            self.take()
            items.append(self.negated())
        return items[0] if len(items) == 1 else {"bool": {"filter": items}}

    def negated(self) -> Json:
        if self.next_is("not"):
            self.take()
            return {"bool": {"must_not": [self.part()]}}
        return self.part()

    def part(self) -> Json:
        if self.next_is("("):
            self.take()
            found = self.any_of()
            assert self.take() == ("mark", ")")
            return found
        kind, field = self.take()
        assert kind == "word", field
        _, operator = self.take()
        if operator == ":" and self.next_is("*"):
            self.take()
            return {"exists": {"field": field}}
        kind, value = self.take()
        if operator == ":":
            return {"match_phrase" if kind == "text" else "match": {field: value}}
        name = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}[operator]
        return {"range": {field: {name: value}}}


def kql(text: str) -> Json:
    return Kql(text).query()


RATIO = re.compile(r"count\((?:kql='([^']*)')?\) / count\((?:kql='([^']*)')?\)")
STATISTICS = {"average": "avg", "min": "min", "max": "max", "unique_count": "cardinality"}


class Reader:
    """Puts the questions of panels to an index; `slot_ms` stands for the interval `auto`."""

    def __init__(self, ask: Any, data_view: Json, since: int, until: int, slot_ms: int) -> None:
        self.ask = ask
        self.runtime = {
            name: {"type": each["type"]} for name, each in data_view["runtimeFieldMap"].items()
        }
        self.since, self.until = since, until
        self.slot_ms = slot_ms

    def search(self, query: Json, **body: Any) -> Json:
        """Return the answer to a search; an index that has only part of an answer is an error."""
        times = {"gte": self.since, "lt": self.until, "format": "epoch_millis"}
        chosen = [{"range": {"@timestamp": times}}, query]
        found = self.ask(
            {
                "query": {"bool": {"filter": chosen}},
                "runtime_mappings": self.runtime,
                "track_total_hits": True,
                **body,
            }
        )
        assert not found["timed_out"]
        assert found["_shards"]["failed"] == 0, found["_shards"]
        return dict(found)

    def records(self, config: Json) -> list[str]:
        """Return the ids of the records that a Discover session lists, in its order."""
        (tab,) = config["tabs"]
        sort = [{each["name"]: each["direction"]} for each in tab["sort"]]
        found = self.search(kql(tab["query"]["expression"]), sort=sort, size=tab["sample_size"])
        return [hit["_id"] for hit in found["hits"]["hits"]]

    def rows(self, config: Json) -> dict[Key, Row]:
        """Return the rows of a chart, without those that have no record."""
        chart = config["layers"][0] if config["type"] == "xy" else config
        metrics = chart["y"] if config["type"] == "xy" else chart["metrics"]
        aggregations: Json = {}
        for number, metric in enumerate(metrics):
            aggregations |= dict(self.metric(f"m{number}", metric))
        over_time = config["type"] == "xy"
        if over_time:
            assert chart["x"]["operation"] == "date_histogram"
            slots = {"field": chart["x"]["field"], "fixed_interval": f"{self.slot_ms}ms"}
            aggregations = {"slot": {"date_histogram": slots, "aggs": aggregations}}
        groups = (
            [chart["breakdown_by"]]
            if "breakdown_by" in chart
            else chart.get("rows", chart.get("group_by", []))
        )
        for terms in groups:
            assert (
                not over_time
                or terms["rank_by"]["type"] != "metric"
                or (metrics[0]["operation"] in ("count", "max"))
            )
            inner = aggregations
            if over_time:  # what ranks the groups is that of all slots
                inner = {**aggregations, **dict(self.metric("m0", metrics[0]))}
            aggregations = {"group": {"terms": self.terms(terms, metrics[0]), "aggs": inner}}
        answer = self.search(kql(config["query"]["expression"]), size=0, aggs=aggregations)
        answer["aggregations"]["doc_count"] = answer["hits"]["total"]["value"]
        return dict(self.read(answer["aggregations"], (), metrics))

    def read(self, found: Json, key: Key, metrics: list[Json]) -> Iterator[tuple[Key, Row]]:
        if "group" in found:
            for bucket in found["group"]["buckets"]:
                value = str(bucket.get("key_as_string", bucket["key"]))
                yield from self.read(bucket, (*key, value), metrics)
        elif "slot" in found:
            for bucket in found["slot"]["buckets"]:
                yield from self.read(bucket, (*key, str(bucket["key"])), metrics)
        elif found["doc_count"]:
            yield key, tuple(self.value(found, f"m{i}", m) for i, m in enumerate(metrics))

    def terms(self, terms: Json, first: Json) -> Json:
        """Return the aggregation of groups, ranked as it says."""
        assert terms["operation"] == "terms"
        (field,) = terms["fields"]
        order: Json = {"_key": "asc"}
        if terms["rank_by"]["type"] == "metric":
            direction = terms["rank_by"]["direction"]
            assert terms["rank_by"]["metric_index"] == 0
            assert first["operation"] not in ("formula", "last_value"), "it cannot rank"
            assert "filter" not in first
            if first["operation"] == "count":
                order = {"_count": direction}
            else:
                inner = f".{first['percentile']}" if first["operation"] == "percentile" else ""
                order = {f"m0>v{inner}": direction}
        return {"field": field, "size": terms["limit"], "order": order}

    def metric(self, name: str, metric: Json) -> Iterator[tuple[str, Json]]:
        operation = metric["operation"]
        if operation == "formula":
            found = RATIO.fullmatch(metric["formula"])
            assert found is not None, metric["formula"]
            for part, text in zip("ab", found.groups(), strict=True):
                yield f"{name}{part}", {"filter": kql(text or "")}
            return
        inner: Json = {}
        chosen = kql(metric.get("filter", {}).get("expression", ""))
        if operation == "percentile":
            asked = {"field": metric["field"], "percents": [metric["percentile"]]}
            inner = {"v": {"percentiles": asked}}
        elif operation == "last_value":
            assert metric["time_field"] == "@timestamp"
            field = {"field": metric["field"]}
            chosen = {"bool": {"filter": [chosen, {"exists": field}]}}
            newest = [{"@timestamp": "desc"}]
            inner = {
                "v": {"top_hits": {"size": 1, "sort": newest, "fields": [field], "_source": False}}
            }
        elif operation != "count":
            inner = {"v": {STATISTICS[operation]: {"field": metric["field"]}}}
        yield name, {"filter": chosen, "aggs": inner}

    def value(self, bucket: Json, name: str, metric: Json) -> Any:
        operation = metric["operation"]
        if operation == "formula":
            part, whole = (bucket[f"{name}{each}"]["doc_count"] for each in "ab")
            return part / whole if whole else None
        found = bucket[name]
        if operation == "count":
            minutes = self.slot_ms / 60_000 if metric.get("time_scale") == "m" else 1
            return found["doc_count"] / minutes
        if operation == "percentile":
            (value,) = found["v"]["values"].values()
            return value
        if operation == "last_value":
            hits = found["v"]["hits"]["hits"]
            return hits[0]["fields"][metric["field"]][0] if hits else None
        return found["v"]["value"]


def fields_of(value: Any) -> Iterator[str]:
    """Yield every field that a body names, in operations, columns, sorts and KQL."""
    if isinstance(value, list):
        for inner in value:
            yield from fields_of(inner)
    for name, inner in value.items() if isinstance(value, Mapping) else ():
        match name, inner:
            case (("field" | "field_name"), str()):
                yield inner
            case (("fields" | "column_order"), _):
                yield from inner
            case "expression", _:
                yield from fields_of_query(kql(inner))
            case "formula", _:
                found = RATIO.fullmatch(inner)
                assert found is not None, inner
                for text in found.groups():
                    yield from fields_of_query(kql(text or ""))
            case "sort", list():
                yield from (each["name"] for each in inner)
            case _:
                yield from fields_of(inner)


def fields_of_query(query: Any) -> Iterator[str]:
    """Yield the fields of an Elasticsearch query."""
    if isinstance(query, list):
        for each in query:
            yield from fields_of_query(each)
        return
    for name, inner in query.items():
        if name == "exists":
            yield inner["field"]
        elif name in ("match", "match_phrase", "range"):
            yield from inner
        elif name not in ("match_all", "minimum_should_match"):
            yield from fields_of_query(inner)
