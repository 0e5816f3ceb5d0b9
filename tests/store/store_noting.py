"""A store for tests that notes what it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from shipper.store.api import AggregateAnswer, Hit, Hits, Question, Selection, Sort, Store


@dataclass
class NotingStore:
    """A store that notes what it is asked, and whether a search counted all that matches."""

    store: Store
    asked: list[str] = field(default_factory=list)

    def search(
        self, selection: Selection, *, limit: int, sort: Sort = Sort.DESC, counted: bool = True
    ) -> Hits:
        self.asked.append("search, counted" if counted else "search")
        return self.store.search(selection, limit=limit, sort=sort, counted=counted)

    def ask(self, questions: Sequence[Question]) -> list[AggregateAnswer]:
        self.asked.append("ask")
        return self.store.ask(questions)

    def count(self, selection: Selection) -> int:
        raise NotImplementedError

    def follow(self, selection: Selection) -> Iterator[Sequence[Hit]]:
        raise NotImplementedError

    def cancel(self) -> None:
        self.store.cancel()

    def close(self) -> None:
        self.store.close()
