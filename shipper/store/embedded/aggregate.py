"""
Aggregations: one statement per level of a question, grouped by the keys above it.

A field with several values, and named filters, become one row per value. So the levels below them
need nothing of their own. A level that has only one aggregation by a field with a single value has
no statement: its counts are the sums of those below it. Several counts by single values, as the
facets of a page, share one statement, which reads the records once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from shipper.fields import FieldKind
from shipper.store.api import (
    AggregateAnswer,
    Aggregation,
    Cardinality,
    DateHistogram,
    Distribution,
    Filters,
    Percentiles,
    Question,
    Terms,
)
from shipper.store.distribution import GROWTH, LAST, LEAST, MOST
from shipper.store.embedded.columns import OBJECT_KEYS, quoted
from shipper.store.embedded.compile import Compiler
from shipper.store.embedded.tally import Tallies, results
from shipper.store.query.parser import parse
from shipper.store.questions import check, field_of, nested

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipper.store.answers import Key
    from shipper.store.embedded.view import View, Views

BUCKETED: Final = (Terms, DateHistogram, Filters, Cardinality)
MOST_TOGETHER: Final = 30  # counts of one statement
MAX_KEY_BYTES: Final = 65_530  # as Elasticsearch: longer texts have no place among the values


def answer(question: Question, views: Views, view: View) -> AggregateAnswer:
    """
    Answer a question.

    Raises:
        QueryError: a field or a query does not fit, or a field has too many values.
    """
    check(question.aggregations)
    compiler = Compiler(odd=view.is_odd(question.selection))
    where = compiler.selection(question.selection)
    source = f"SELECT * FROM ({view.source(question.selection)}) WHERE {where}"
    tallies = Tallies()
    total = _Level(views, compiler, source, []).tally(question.aggregations, lambda _: tallies)
    return AggregateAnswer(total, results(question.aggregations, tallies, question.selection))


@dataclass(frozen=True, slots=True)
class _Link:
    """A count by a single value: its name, the SQL of the value, and what makes a key of it."""

    name: str
    values: str
    read: Callable[[Any], Key]
    is_text: bool


_Places = Sequence[tuple[_Link, int]]  # counts nested in each other, and the numbers of their keys


def _by_set(chains: Sequence[_Places]) -> dict[frozenset[int], list[_Places]]:
    """
    Return the sets of keys to group by, with what is counted in the rows of each.

    A set within another needs no rows of its own: those of the other add up to them.
    """
    sets = {frozenset(number for _, number in places): places for places in chains}
    largest = [each for each in sets if not any(each < other for other in sets)]
    found: dict[frozenset[int], list[_Places]] = {each: [] for each in largest}
    for places in chains:
        own = {number for _, number in places}
        found[next(each for each in largest if own <= each)].append(places)
    return found


def _count_along(tallies: Tallies, places: _Places, row: Sequence[Any], number: int) -> None:
    """Add a number of records to a count and those nested in it, as far as there are values."""
    for link, at in places:
        if row[at] is None:
            return
        tallies = tallies.counts_of(link.name).add(link.read(row[at]), number)


class _Level:
    """The aggregations under the same keys: columns of `source` that are grouped by."""

    def __init__(self, views: Views, compiler: Compiler, source: str, keys: list[str]) -> None:
        self._views = views
        self._compiler = compiler
        self._source = source
        self._keys = keys

    def tally(self, asked: Mapping[str, Aggregation], find: Any, count: Any = None) -> int:
        """Tally all aggregations of the level; return the number of records."""
        if len(asked) == 1:
            ((name, only),) = asked.items()
            if isinstance(only, (Terms, DateHistogram)):
                values, read = self._values(only)
                if not values.startswith("unnest("):
                    return self._buckets(name, only, (values, read), find, count, alone=True)
        chains = {} if self._keys else self._chains(asked)
        if len(chains) > 1:
            total = self._together(chains, find(()))
            asked = {name: each for name, each in asked.items() if name not in chains}
            if any(not isinstance(each, BUCKETED) for each in asked.values()):
                self._numbers(asked, find, count)
        else:
            total = self._numbers(asked, find, count)
        for name, aggregation in asked.items():
            if isinstance(aggregation, BUCKETED):
                self._buckets(name, aggregation, self._values(aggregation), find)
            elif isinstance(aggregation, Percentiles) and is_untyped(aggregation):
                self._untyped_percentiles(name, aggregation, find)
        return total

    def _chains(self, asked: Mapping[str, Aggregation]) -> dict[str, list[_Link]]:
        """Return the counts that can share a statement, with those nested in them."""
        found = {name: self._chain(name, each) for name, each in asked.items()}
        return dict(islice(((n, chain) for n, chain in found.items() if chain), MOST_TOGETHER))

    def _chain(self, name: str, aggregation: Aggregation) -> list[_Link]:
        """Return a count by a single value and those nested in it; nothing if it is no such one."""
        if not isinstance(aggregation, (Terms, DateHistogram, Cardinality)):
            return []
        values, read = self._values(aggregation)
        if values.startswith("unnest("):
            return []
        field, kind = field_of(aggregation)
        is_text = kind is FieldKind.KEYWORD  # the length of which is looked at once it is counted
        link = _Link(name, quoted(field) if is_text else values, read, is_text)
        below = nested(aggregation)
        if not below:
            return [link]
        if len(below) > 1:
            return []
        rest = self._chain(*next(iter(below.items())))
        return [link, *rest] if rest else []

    def _together(self, chains: Mapping[str, Sequence[_Link]], tallies: Tallies) -> int:
        """Tally counts in one statement; return the number of records."""
        texts = {link.values: link.is_text for chain in chains.values() for link in chain}
        number_of = {values: number for number, values in enumerate(texts)}
        places = [[(link, number_of[link.values]) for link in chain] for chain in chains.values()]
        by_set = _by_set(places)
        keys = [f"k{number}" for number in range(len(texts))]
        inner = ", ".join(f"{each} AS {key}" for each, key in zip(texts, keys, strict=True))
        shown = ", ".join(
            _short_text(key) if is_text else key
            for key, is_text in zip(keys, texts.values(), strict=True)
        )
        grouped = ", ".join(f"({', '.join(f'k{at}' for at in sorted(each))})" for each in by_set)
        rows = self._rows(
            f"SELECT grouping({', '.join(keys)}), {shown}, count(*) "
            f"FROM (SELECT {inner} FROM ({self._source})) GROUP BY GROUPING SETS ({grouped})"
        )
        # A bit is set for each key that a row is not grouped by, the first key is the highest bit.
        masks = {
            sum(2 ** (len(keys) - 1 - at) for at in range(len(keys)) if at not in each): found
            for each, found in by_set.items()
        }
        first, total = next(iter(masks)), 0
        for mask, *row, number in rows:
            total += number if mask == first else 0
            for along in masks[mask]:
                _count_along(tallies, along, row, number)
        return total

    def _numbers(self, asked: Mapping[str, Aggregation], find: Any, count: Any) -> int:
        """Ask for the counts of the level, and for its statistics beside them."""
        columns, readers, source = [], [], self._source
        bins_name, bin_of = _only_distribution(asked)
        for name, aggregation in asked.items():
            if name == bins_name or isinstance(aggregation, BUCKETED):
                continue
            if isinstance(aggregation, Percentiles):
                if not is_untyped(aggregation):
                    columns.append(quantiles_of(quoted(field_of(aggregation)[0]), aggregation))
                    readers.append((name, 1))
                continue
            if isinstance(aggregation, Distribution):
                columns.append(f"histogram({_bin(quoted(field_of(aggregation)[0]))})")
                readers.append((name, 1))
                continue
            field, kind = field_of(aggregation)
            if kind is FieldKind.OBJECT:
                numbers = f"n{len(columns)}"
                found = _leaf_numbers(field, self._compiler)
                source = f"SELECT *, {found} AS {numbers} FROM ({source})"
                columns += _statistics_of_lists(numbers)
            else:
                columns += [f"{each}({quoted(field)})" for each in ("count", "sum", "min", "max")]
            readers.append((name, 4))
        if bins_name is None:
            chosen = ", ".join([*self._keys, "count(*)", *columns])
            rows = self._rows(f"SELECT {chosen} FROM ({source}){self._grouped()}")
        else:
            readers.append((bins_name, 2))
            rows = self._rows(_by_bin(self._keys, bin_of, columns, source) + self._grouped())
        return self._add_up(rows, readers, find, count)

    def _add_up(
        self,
        rows: Sequence[tuple[Any, ...]],
        readers: Sequence[tuple[str, int]],
        find: Any,
        count: Any,
    ) -> int:
        """Add the rows of a level to its tallies; return the number of records."""
        total = 0
        for row in rows:
            keys, number, *values = row[: len(self._keys)], *row[len(self._keys) :]
            total += number
            if count is not None:
                count(keys, number)
            tallies = find(keys)
            at = 0
            for name, width in readers:
                _add(tallies, name, values[at : at + width])
                at += width
        return total

    def _buckets(  # noqa: PLR0913 - what a level is made of
        self,
        name: str,
        aggregation: Aggregation,
        key_values: tuple[str, Callable[[Any], Key]],
        find: Any,
        count: Any = None,
        *,
        alone: bool = False,
    ) -> int:
        """
        Tally the buckets of an aggregation; return the number of records in them.

        If it is `alone` at its level, records without a key are counted too, for the level.
        """
        key = f"k{len(self._keys)}"
        values, read = key_values
        source = f"SELECT *, {values} AS {key} FROM ({self._source})"
        if not alone:
            source = f"SELECT * FROM ({source}) WHERE {key} IS NOT NULL"
        level = _Level(self._views, self._compiler, source, [*self._keys, key])

        def add(keys: tuple[Any, ...], number: int) -> None:
            if alone and count is not None:
                count(keys[:-1], number)
            if keys[-1] is not None:
                find(keys[:-1]).counts_of(name).add(read(keys[-1]), number)

        def within(keys: tuple[Any, ...]) -> Tallies:
            if None in keys:
                return Tallies()  # of records that are in no bucket, here or further up
            below: Tallies = find(keys[:-1]).counts_of(name).below[read(keys[-1])]
            return below

        return level.tally(nested(aggregation), within, add)

    def _values(self, aggregation: Aggregation) -> tuple[str, Callable[[Any], Key]]:
        """Return the SQL of the values of a record, and what makes a key of each."""
        field, kind = field_of(aggregation)
        if kind is not FieldKind.OBJECT or field not in OBJECT_KEYS:
            return _values(aggregation, self._compiler)
        if self._compiler.odd:
            return _values(aggregation, self._compiler)
        column = quoted(field)
        if OBJECT_KEYS[field] == "VARCHAR[]":
            column = f"unnest(list_distinct({column}))"
        return column, _same

    def _untyped_percentiles(self, name: str, aggregation: Percentiles, find: Any) -> None:
        numbers = _leaf_numbers(field_of(aggregation)[0], self._compiler)
        source = f"SELECT *, unnest({numbers}) AS number FROM ({self._source})"
        chosen = ", ".join([*self._keys, quantiles_of("number", aggregation)])
        for row in self._rows(f"SELECT {chosen} FROM ({source}){self._grouped()}"):
            _add(find(row[:-1]), name, row[-1:])

    def _grouped(self) -> str:
        return f" GROUP BY {', '.join(self._keys)}" if self._keys else ""

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._views.rows(sql, self._compiler)


def slot_of(interval_ms: int) -> str:
    """Return the SQL of the start of the slot of a record."""
    return f"(_ms - ((_ms % {interval_ms:d}) + {interval_ms:d}) % {interval_ms:d})"


def is_untyped(aggregation: Percentiles) -> bool:
    """Return whether the numbers are those of a key without a column."""
    return field_of(aggregation)[1] is FieldKind.OBJECT


def _add(tallies: Tallies, name: str, values: Any) -> None:
    if len(values) == 2:
        bins = zip(*(each or () for each in values), strict=True)
        tallies.bins_of(name).update(
            {number: count for number, count in bins if number is not None}
        )
        return
    if len(values) == 1:
        if isinstance(values[0], dict):
            tallies.bins_of(name).update(values[0])
        elif values[0] is not None:
            tallies.percentiles[name] = [*map(float, values[0])]
    elif values[0]:
        tallies.numbers_of(name).add(values[0], float(values[1]), values[2], values[3])


def quantiles_of(column: str, aggregation: Percentiles) -> str:
    """Return the SQL of percentiles of a column."""
    percents = ", ".join(f"{percent / 100!r}::DOUBLE" for percent in aggregation.percents)
    return f"quantile_disc({column}, [{percents}])"


def _only_distribution(asked: Mapping[str, Aggregation]) -> tuple[str | None, str]:
    """
    Return the name of a distribution by whose bins records can be grouped, and the SQL of a bin.

    That takes a third of the time of `histogram`. Quantiles cannot be put together again.
    """
    found = [(name, each) for name, each in asked.items() if isinstance(each, Distribution)]
    if len(found) != 1 or any(isinstance(each, Percentiles) for each in asked.values()):
        return None, ""
    ((name, only),) = found
    return name, _bin(quoted(field_of(only)[0]))


def _by_bin(keys: Sequence[str], bin_of: str, statistics: Sequence[str], source: str) -> str:
    """
    Return the statement that counts by keys and bin, then puts the bins of the same keys together.

    `statistics` are columns of count, sum, least and largest number. Its grouping is not in it.
    """
    inner = [f"{each} AS v{number}" for number, each in enumerate(statistics)]
    outer = [
        f"{('coalesce(sum({}), 0)', 'sum({})', 'min({})', 'max({})')[n % 4].format(f'v{n}')}"
        for n in range(len(statistics))
    ]
    grouped = ", ".join([*keys, "bin"])
    found = ", ".join([*keys, f"{bin_of} AS bin", "count(*) AS number", *inner])
    chosen = ", ".join([*keys, "coalesce(sum(number), 0)", *outer, "list(bin)", "list(number)"])
    return f"SELECT {chosen} FROM (SELECT {found} FROM ({source}) GROUP BY {grouped})"


def _bin(column: str) -> str:
    """Return the SQL of the bin of a number, as `shipper/store/distribution.py` has it."""
    number = f"1 + floor(ln({column} / {LEAST!r}) / ln({GROWTH!r}))"
    return (
        f"(CASE WHEN {column} < {LEAST!r} THEN 0 WHEN {column} >= {MOST!r} THEN {LAST} "
        f"WHEN {column} IS NOT NULL THEN {number} END::INTEGER)"
    )


def _statistics_of_lists(numbers: str) -> list[str]:
    """Return the columns for count, sum, minimum and maximum of lists of numbers."""
    return [
        f"coalesce(sum(len({numbers})), 0)",
        f"sum(list_sum({numbers}))",
        f"min(list_min({numbers}))",
        f"max(list_max({numbers}))",
    ]


def _leaf_numbers(field: str, compiler: Compiler) -> str:
    path = compiler.value(field)
    found = f"list_filter(_leaves, lambda x: x.k = {path} AND x.t = 'n')"
    return f"list_distinct(list_transform({found}, lambda x: x.n))"


def _values(aggregation: Aggregation, compiler: Compiler) -> tuple[str, Callable[[Any], Key]]:
    """Return the SQL of the values of a record, and what makes a key of each."""
    match aggregation:
        case DateHistogram(interval_ms=interval):
            return slot_of(interval), int
        case Filters(queries=queries):
            names = list(queries)
            chosen = ", ".join(
                f"CASE WHEN {compiler.node(parse(query))} THEN {index} END"
                for index, query in enumerate(queries.values())
            )
            return f"unnest([{chosen}])", lambda index: names[index]
    field, kind = field_of(aggregation)
    column = quoted(field)
    if field == "tags":
        return f"unnest(list_distinct({_short('tags')}))", _same
    if kind is FieldKind.KEYWORD:
        return _short_text(column), _same
    if kind is not FieldKind.OBJECT:
        return column, _same
    return f"unnest(list_distinct({_key_values(field, compiler)}))", _tagged


def _short_text(column: str) -> str:
    return f"CASE WHEN strlen({column}) <= {MAX_KEY_BYTES} THEN {column} END"


def _short(values: str) -> str:
    return f"list_filter({values}, lambda x: strlen(x) <= {MAX_KEY_BYTES})"


def _key_values(field: str, compiler: Compiler) -> str:
    """Return the SQL of the list of values of a key, each behind the letter of its type."""
    path = compiler.value(field)
    found = f"list_filter(_leaves, lambda x: x.k = {path})"
    values = f"coalesce(list_transform({found}, lambda x: x.t || x.v), [])"
    kind, column = OBJECT_KEYS.get(field), quoted(field)
    if kind == "VARCHAR[]":
        values = f"list_concat(list_transform({column}, lambda y: 's' || y), {values})"
    elif kind is not None:
        one = f"CASE WHEN {column} IS NULL THEN [] ELSE ['s' || {column}] END"
        values = f"list_concat({one}, {values})"
    return _short(values)


def _same(key: Any) -> Key:
    value: Key = key
    return value


def _tagged(key: str) -> Key:
    kind, text = key[0], key[1:]
    if kind != "n":
        return text
    return float(text) if any(c in text for c in ".en") else int(text)
