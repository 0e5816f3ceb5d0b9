"""
Aggregations: counts per level of a question, grouped by the keys above it.

All levels of a question share one statement (cells.py), which reads the records once. A field with
several values, and named filters, become one row per value, which is another statement; the levels
below them need nothing of their own. A level that has only one aggregation by a field with a single
value has no counts of its own: they are the sums of those below it. Without records, nothing more
is asked.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from shipper.fields import FieldKind
from shipper.store.api import (
    AggregateAnswer,
    Aggregation,
    Average,
    Cardinality,
    DateHistogram,
    Distribution,
    Filters,
    Maximum,
    Minimum,
    Percentiles,
    Question,
    Selection,
    Statistic,
    Sum,
    Terms,
)
from shipper.store.distribution import GROWTH, LAST, LEAST, MOST
from shipper.store.embedded.cells import MAX_KEY_BYTES, CellKey, Cells, Column, count_cells
from shipper.store.embedded.columns import OBJECT_KEYS, quoted
from shipper.store.embedded.compile import Compiler
from shipper.store.embedded.tally import Tallies, results
from shipper.store.query.parser import parse
from shipper.store.questions import field_of, nested

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shipper.store.answers import Key
    from shipper.store.embedded.view import View, Views

BUCKETED: Final = (Terms, DateHistogram, Filters, Cardinality)
STATISTICS: Final = (Average, Sum, Minimum, Maximum)


def alone(questions: Sequence[Question], views: Views, view: View) -> list[AggregateAnswer]:
    """
    Answer checked questions, in their order; only those about the same records share a statement.

    Raises:
        QueryError: a field or a query does not fit, or a field has too many values.
    """
    alike: dict[Selection, list[Mapping[str, Aggregation]]] = {}
    for question in questions:
        alike.setdefault(question.selection, []).append(question.aggregations)
    found = {
        selection: iter(_answers(selection, asked, views, view))
        for selection, asked in alike.items()
    }
    return [next(found[question.selection]) for question in questions]


def in_parts(
    questions: Sequence[Question], time: Selection, views: Views, view: View
) -> list[AggregateAnswer]:
    """Answer questions that group by the same single values, within a time, by one statement."""
    compiler = Compiler(odd=view.is_odd(time))
    conditions = [f"({compiler.selection(question.selection)})" for question in questions]
    flags = ", ".join(f"{each} AS f{number}" for number, each in enumerate(conditions))
    where = " OR ".join(conditions)
    records = _Source(compiler, f"SELECT *, {flags} FROM ({view.source(time)}) WHERE {where}")
    found = []
    for number, question in enumerate(questions):
        part, tallies = _Part(records, f"f{number}"), Tallies()
        _Level(part).add(question.aggregations, lambda _, tallies=tallies: tallies)
        found.append((part, tallies, question))
    records.count(views)
    return [
        AggregateAnswer(part.total, results(question.aggregations, tallies, question.selection))
        for part, tallies, question in found
    ]


def _answers(
    selection: Selection, asked: Sequence[Mapping[str, Aggregation]], views: Views, view: View
) -> list[AggregateAnswer]:
    """Answer questions about one selection."""
    compiler = Compiler(odd=view.is_odd(selection))
    where = compiler.selection(selection)
    records = _Source(compiler, f"SELECT * FROM ({view.source(selection)}) WHERE {where}")
    tallied = []
    for aggregations in asked:
        tallies = Tallies()
        _Level(records).add(aggregations, lambda _, tallies=tallies: tallies)
        tallied.append(tallies)
    total = records.count(views)
    return [
        AggregateAnswer(total, results(aggregations, tallies, selection))
        for aggregations, tallies in zip(asked, tallied, strict=True)
    ]


class _Level:
    """
    The aggregations under the same keys, which are SQL of a record of `source`.

    What all levels of a source ask is counted together; a source in which records have a row per
    value is asked afterwards, unless there are none.
    """

    def __init__(self, source: _Source, keys: tuple[CellKey, ...] = ()) -> None:
        self._source = source
        self._keys = keys

    def add(self, asked: Mapping[str, Aggregation], find: Any, count: Any = None) -> None:
        """Add all aggregations of the level to what is asked."""
        if len(asked) == 1:
            ((name, only),) = asked.items()
            if isinstance(only, (Terms, DateHistogram)):
                values, read = self._values(only)
                if not is_row_per_value(values):
                    self._buckets(name, only, (values, read), find, count, alone=True)
                    return
        self._numbers(asked, find, count)
        for name, aggregation in asked.items():
            if is_counted_beside(aggregation):
                continue
            if isinstance(aggregation, BUCKETED):
                self._buckets(name, aggregation, self._values(aggregation), find)
            elif isinstance(aggregation, Percentiles) and is_untyped(aggregation):
                self._untyped_percentiles(name, aggregation, find)

    def _numbers(self, asked: Mapping[str, Aggregation], find: Any, count: Any) -> None:
        """Ask for the counts of the level, and for its statistics beside them."""
        bins = {name: each for name, each in asked.items() if isinstance(each, Distribution)}
        statistics = {name: each for name, each in asked.items() if isinstance(each, STATISTICS)}
        percentiles = {
            name: each
            for name, each in asked.items()
            if isinstance(each, Percentiles) and not is_untyped(each)
        }
        first = [] if percentiles else [*bins][:1]  # whose bins are counted beside the rest
        filters = {name: each for name, each in asked.items() if is_counted_beside(each)}
        readers: list[tuple[int, Callable[[Tallies, Sequence[Any]], None]]] = [
            *((2, partial(_add_bins, name)) for name in first),
            *((4, partial(_add_numbers, name)) for name in statistics),
            *(
                (len(each.queries), partial(_add_counts, name, each))
                for name, each in filters.items()
            ),
            *((1, partial(_add_percentiles, name)) for name in percentiles),
        ]

        def take(keys: tuple[Any, ...], number: int, values: Sequence[Any]) -> None:
            if count is not None:
                count(keys, number)
            tallies = find(keys)
            at = 0
            for width, add in readers:
                add(tallies, values[at : at + width])
                at += width

        columns = [column for each in statistics.values() for column in self._statistics(each)]
        columns += [column for each in filters.values() for column in self._matches(each)]
        whole = [quantiles_of(quoted(field_of(each)[0]), each) for each in percentiles.values()]
        bin_of = next((_bin_of(bins[name]) for name in first), None)
        self._source.ask(Cells(self._keys, take, columns, bin_of, whole))
        for name, each in bins.items():
            if name not in first:
                take_bins = _taking(partial(_add_bins, name), find)
                self._source.ask(Cells(self._keys, take_bins, bins=_bin_of(each)))

    def _statistics(self, aggregation: Statistic) -> list[Column]:
        """Return the columns for count, sum, minimum and maximum."""
        field, kind = field_of(aggregation)
        if kind is not FieldKind.OBJECT:
            return [(each, quoted(field)) for each in ("count", "sum", "min", "max")]
        numbers = self._source.numbers(field)
        parts = [("sum", "len"), ("sum", "list_sum"), ("min", "list_min"), ("max", "list_max")]
        return [(each, f"{of_list}({numbers})") for each, of_list in parts]

    def _matches(self, filters: Filters) -> list[Column]:
        """Return the columns that count what each query finds."""
        compiler = self._source.compiler
        found = (compiler.node(parse(query)) for query in filters.queries.values())
        return [("count", f"CASE WHEN {each} THEN 1 END") for each in found]

    def _buckets(  # noqa: PLR0913 - what a level is made of
        self,
        name: str,
        aggregation: Aggregation,
        key_values: tuple[str, Callable[[Any], Key]],
        find: Any,
        count: Any = None,
        *,
        alone: bool = False,
    ) -> None:
        """
        Ask for the buckets of an aggregation.

        If it is `alone` at its level, records without a key are counted too, for the level.
        """
        values, read = key_values
        source, key = self._source, CellKey(values, is_text=_is_text(aggregation))
        if is_row_per_value(values):
            source, name_of_values = self._source.with_rows_of(values)
            key = CellKey(name_of_values)

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

        _Level(source, (*self._keys, key)).add(nested(aggregation), within, add)

    def _values(self, aggregation: Aggregation) -> tuple[str, Callable[[Any], Key]]:
        """Return the SQL of the values of a record, and what makes a key of each."""
        field, kind = field_of(aggregation)
        compiler = self._source.compiler
        if kind is not FieldKind.OBJECT or field not in OBJECT_KEYS or compiler.odd:
            return _values(aggregation, compiler)
        column = quoted(field)
        if OBJECT_KEYS[field] == "VARCHAR[]":
            column = f"unnest(list_distinct({column}))"
        return column, _same

    def _untyped_percentiles(self, name: str, aggregation: Percentiles, find: Any) -> None:
        numbers = _leaf_numbers(field_of(aggregation)[0], self._source.compiler)
        source, number = self._source.with_rows_of(f"unnest({numbers})")

        take = _taking(partial(_add_percentiles, name), find)
        source.ask(Cells(self._keys, take, whole=[quantiles_of(number, aggregation)]))


class _Source:
    """Records, what is asked of them, and of them with a row per value."""

    def __init__(self, compiler: Compiler, sql: str, depth: int = 0) -> None:
        self.compiler = compiler
        self._sql = sql
        self._depth = depth
        self._numbers: dict[str, tuple[str, str]] = {}
        self._asked: list[Cells] = []
        self._below: list[_Source] = []

    def ask(self, cells: Cells) -> None:
        """Add cells to what is asked."""
        self._asked.append(cells)

    def numbers(self, field: str) -> str:
        """Return the name of the column that has the numbers of a key without a column."""
        if field not in self._numbers:
            found = _leaf_numbers(field, self.compiler)
            self._numbers[field] = (f"n{len(self._numbers)}", found)
        return self._numbers[field][0]

    def with_rows_of(self, values: str) -> tuple[_Source, str]:
        """Return the records with a row per value, and the name of the column that has it."""
        name = f"u{self._depth}"
        rows = f"SELECT *, {values} AS {name} FROM ({self._sql})"
        present = f"SELECT * FROM ({rows}) WHERE {name} IS NOT NULL"
        below = _Source(self.compiler, present, self._depth + 1)
        self._below.append(below)
        return below, name

    def count(self, views: Views) -> int:
        """Count all that is asked; return the number of records."""
        made = ", ".join(["*", *(f"{sql} AS {name}" for name, sql in self._numbers.values())])
        total = count_cells(views, self.compiler, f"SELECT {made} FROM ({self._sql})", self._asked)
        for below in self._below if total else ():
            below.count(views)
        return total


class _Part(_Source):
    """The records of a source that a column of it says are meant; they are counted with others."""

    def __init__(self, whole: _Source, flag: str) -> None:
        super().__init__(whole.compiler, "")
        self._whole = whole
        self._flag = flag
        self.total = 0

    def ask(self, cells: Cells) -> None:
        """Add cells of the part to what is asked of the whole; they have no bins, nor `whole`."""

        def take(keys: tuple[Any, ...], _: int, values: Sequence[Any]) -> None:
            number, *rest = values
            if number:
                self.total += number
                cells.take(keys, number, rest)

        columns = [("count", "1"), *cells.columns]
        own = [(each, f"CASE WHEN {self._flag} THEN {sql} END") for each, sql in columns]
        self._whole.ask(Cells(cells.keys, take, own))

    def numbers(self, field: str) -> str:
        """Return the name of the column of the whole that has the numbers of a key."""
        return self._whole.numbers(field)


def is_single(field: tuple[str, FieldKind]) -> bool:
    """Return whether a field has a column with one value, if no object has odd keys."""
    name, kind = field
    is_column = kind is not FieldKind.OBJECT or OBJECT_KEYS.get(name, "VARCHAR[]") != "VARCHAR[]"
    return is_column and name != "tags"


def is_row_per_value(values: str) -> bool:
    """Return whether a record has a row for each of its values."""
    return values.startswith("unnest(")


def _taking(
    add: Callable[[Tallies, Sequence[Any]], None], find: Callable[[tuple[Any, ...]], Tallies]
) -> Callable[[tuple[Any, ...], int, Sequence[Any]], None]:
    """Return what adds the values of rows to the tallies of their keys."""

    def take(keys: tuple[Any, ...], _number: int, values: Sequence[Any]) -> None:
        add(find(keys), values)

    return take


def is_counted_beside(aggregation: Aggregation) -> TypeGuard[Filters]:
    """Return whether what filters find is counted beside the records: nothing is asked of it."""
    return isinstance(aggregation, Filters) and not aggregation.aggregations


def slot_of(interval_ms: int) -> str:
    """Return the SQL of the start of the slot of a record."""
    return f"(_ms - ((_ms % {interval_ms:d}) + {interval_ms:d}) % {interval_ms:d})"


def is_untyped(aggregation: Percentiles) -> bool:
    """Return whether the numbers are those of a key without a column."""
    return field_of(aggregation)[1] is FieldKind.OBJECT


def _add_bins(name: str, tallies: Tallies, values: Sequence[Any]) -> None:
    bins = zip(*values, strict=True)
    tallies.bins_of(name).update({number: count for number, count in bins if number is not None})


def _add_numbers(name: str, tallies: Tallies, values: Sequence[Any]) -> None:
    count, total, least, most = values
    if count:
        tallies.numbers_of(name).add(count, float(total), least, most)


def _add_counts(name: str, filters: Filters, tallies: Tallies, values: Sequence[Any]) -> None:
    for key, count in zip(filters.queries, values, strict=True):
        if count:
            tallies.counts_of(name).add(key, count)


def _add_percentiles(name: str, tallies: Tallies, values: Sequence[Any]) -> None:
    if values[0] is not None:
        tallies.percentiles[name] = [*map(float, values[0])]


def quantiles_of(column: str, aggregation: Percentiles) -> str:
    """Return the SQL of percentiles of a column."""
    percents = ", ".join(f"{percent / 100!r}::DOUBLE" for percent in aggregation.percents)
    return f"quantile_disc({column}, [{percents}])"


def _bin_of(aggregation: Distribution) -> str:
    """Return the SQL of the bin of a number, as `shipper/store/distribution.py` has it."""
    column = quoted(field_of(aggregation)[0])
    number = f"1 + floor(ln({column} / {LEAST!r}) / ln({GROWTH!r}))"
    return (
        f"(CASE WHEN {column} < {LEAST!r} THEN 0 WHEN {column} >= {MOST!r} THEN {LAST} "
        f"WHEN {column} IS NOT NULL THEN {number} END::INTEGER)"
    )


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
    if kind is not FieldKind.OBJECT:
        return column, _same
    return f"unnest(list_distinct({_key_values(field, compiler)}))", _tagged


def _is_text(aggregation: Aggregation) -> bool:
    """Return whether values may be too long for a key."""
    if isinstance(aggregation, (DateHistogram, Filters)):
        return False
    return field_of(aggregation)[1] is FieldKind.KEYWORD


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
