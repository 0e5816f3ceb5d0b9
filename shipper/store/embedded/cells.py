"""
Counts of the same records by different keys: one statement, which reads the records once.

Each of these groupings (`Cells`) is a grouping set of it, or is added up of a finer one. Records
are grouped by bins like by a key, and the bins of the same keys are put together afterwards: a
third of the time of `histogram`. What does not add up, as percentiles, has a statement of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from shipper.store.embedded.compile import Compiler
    from shipper.store.embedded.view import Views

MAX_KEY_BYTES: Final = 65_530  # as Elasticsearch: longer texts have no place among the values
MOST_KEYS: Final = 30  # of one statement, which has a bit for each in a number
SUMMED: Final = "sum"
PARTS: Final = {"count": SUMMED, SUMMED: SUMMED, "min": "min", "max": "max"}  # of parts

Named = TypeVar("Named")
Row = tuple[Any, ...]
Column = tuple[str, str]  # a function of PARTS, and the SQL of a number


@dataclass(frozen=True, slots=True)
class CellKey:
    """SQL of a value of a record; a text is NULL if it is too long, once records are counted."""

    sql: str
    is_text: bool = False

    def shown(self, name: str) -> str:
        """Return the SQL of the key, whose value is that of a column."""
        return (
            f"CASE WHEN strlen({name}) <= {MAX_KEY_BYTES} THEN {name} END" if self.is_text else name
        )


@dataclass(frozen=True, slots=True)
class Cells:
    """
    What is asked of the records with the same keys; it has to add up over rows with equal ones.

    `bins` are SQL of a record, `whole` of all records with the same keys. `take` is
    given the keys, the number of records, the lists of bins and of their counts if there are
    `bins`, the numbers of `columns`, and those of `whole`.
    """

    keys: Sequence[CellKey]
    take: Callable[[Row, int, Sequence[Any]], None]
    columns: Sequence[Column] = ()
    bins: str | None = None
    whole: Sequence[str] = ()


def count_cells(views: Views, compiler: Compiler, source: str, asked: Sequence[Cells]) -> int:
    """Count all that is asked of the records of `source`; return the number of the first cells."""
    found: dict[int, _Found] = {}
    together = [each for each in asked if not each.whole]
    for group in [*([each] for each in asked if each.whole), *_portions(together)]:
        statement = _Statement(group)
        rows = _by_mask(views.rows(statement.sql(source), compiler))
        for each in group:
            found[id(each)] = statement.found(each, rows)
    totals = [_take(each, found[id(each)]) for each in asked]
    return totals[0]


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of cells, and what finds their parts in a row."""

    rows: Sequence[Row]
    keys: Callable[[Row], Row]
    number: int
    values: Callable[[Row], Row]


def _take(cells: Cells, found: _Found) -> int:
    """Hand the rows of cells over; return the number of records in them."""
    take, keys, at, values = cells.take, found.keys, found.number, found.values
    total = 0
    for row in found.rows:
        number = row[at]
        total += number
        take(keys(row), number, values(row))
    return total


def _by_mask(rows: Sequence[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found


def _portions(asked: Sequence[Cells]) -> Iterator[Sequence[Cells]]:
    """Yield cells that one statement has room for."""
    portion: list[Cells] = []
    keys: set[CellKey | str] = set()
    for each in asked:
        more: set[CellKey | str] = {*each.keys, *([each.bins] if each.bins else [])}
        if portion and len(keys | more) > MOST_KEYS:
            yield portion
            portion, keys = [], set()
        portion.append(each)
        keys |= more
    if portion:
        yield portion


class _Statement:
    """One statement for several groupings, whose rows say which of them they belong to."""

    def __init__(self, asked: Sequence[Cells]) -> None:
        self._asked = asked
        self._keys = _numbered("c", (key for each in asked for key in each.keys))
        self._bins = _numbered("b", (each.bins for each in asked if each.bins))
        self._columns = list(dict.fromkeys(column for each in asked for column in each.columns))
        sets = list(dict.fromkeys(map(self._names_of, asked)))
        # One within another needs no rows of its own: those of the other add up to them.
        self._sets = [each for each in sets if not any(each < other for other in sets)]

    def _names_of(self, cells: Cells) -> frozenset[str]:
        """Return the columns that cells are grouped by."""
        keys = [self._keys[key] for key in cells.keys]
        return frozenset([*keys, *([self._bins[cells.bins]] if cells.bins else [])])

    def _mask_of(self, cells: Cells) -> int:
        """Return what GROUPING says of the rows of cells: a bit for each key they are without."""
        if len(self._sets) == 1:
            return 0
        own = self._names_of(cells)
        grouped = min((each for each in self._sets if own <= each), key=len)
        names = [*self._keys.values(), *self._bins.values()]
        return sum(1 << at for at, name in enumerate(reversed(names)) if name not in grouped)

    def sql(self, source: str) -> str:
        """Return the statement; its rows are mask, keys, number of records, columns, bins."""
        made = [f"{key.sql} AS {name}" for key, name in self._keys.items()]
        made += [f"{sql} AS {name}" for sql, name in self._bins.items()]
        records = f"SELECT {', '.join(['*', *made])} FROM ({source})"
        names = [*self._keys.values(), *self._bins.values()]
        columns = [f"{function}({sql})" for function, sql in self._columns]
        (whole,) = [each.whole for each in self._asked][:1]
        mask, grouped = "0", ", ".join(sorted(self._sets[0]))
        if len(self._sets) > 1:
            mask = f"grouping({', '.join(names)})"
            sets = ", ".join(f"({', '.join(sorted(each))})" for each in self._sets)
            grouped = f"GROUPING SETS ({sets})"
        named = [f"{each} AS v{number}" for number, each in enumerate(columns)]
        shown = names if self._bins else self._shown()
        found = ", ".join([f"{mask} AS mask", *shown, "count(*) AS number", *named, *whole])
        counted = f"SELECT {found} FROM ({records}){f' GROUP BY {grouped}' if grouped else ''}"
        return self._of_bins(counted) if self._bins else counted

    def _shown(self) -> list[str]:
        return [key.shown(name) for key, name in self._keys.items()]

    def _of_bins(self, counted: str) -> str:
        """Return the statement that puts the bins of the same keys together."""
        keys = ", ".join(["mask", *self._keys.values()])
        parts = [
            f"{PARTS[function]}(v{number})" for number, (function, _) in enumerate(self._columns)
        ]
        lists = [f"list({name})" for name in self._bins.values()]
        counts = ["sum(number)::BIGINT", *parts, *lists, "list(number)"]
        chosen = ", ".join(["mask", *self._shown(), *counts])
        return f"SELECT {chosen} FROM ({counted}) GROUP BY {keys}"

    def found(self, cells: Cells, rows: Mapping[int, Sequence[Row]]) -> _Found:
        """Return the rows of cells, of all rows by their masks."""
        names = list(self._keys.values())
        keys = [1 + names.index(self._keys[key]) for key in cells.keys]
        number = 1 + len(names)
        first = number + 1
        values = [first + self._columns.index(column) for column in cells.columns]
        first += len(self._columns)
        if cells.bins:
            place = list(self._bins).index(cells.bins)
            values = [first + place, first + len(self._bins), *values]
        values += range(first, first + len(cells.whole))
        return _Found(rows.get(self._mask_of(cells), ()), _picked(keys), number, _picked(values))


def _numbered(letter: str, found: Iterable[Named]) -> dict[Named, str]:
    """Return a name for each."""
    return {each: f"{letter}{number}" for number, each in enumerate(dict.fromkeys(found))}


def _picked(places: Sequence[int]) -> Callable[[Row], Row]:
    """Return what gives the values at some places of a row."""
    first = places[0] if places else 0
    if list(places) == [*range(first, first + len(places))]:
        return itemgetter(slice(first, first + len(places)))
    return itemgetter(*places)
