"""The figures of a report: plain structs that say what was counted, encodable to JSON and back.

Nothing here is formatted. Every text that came with an event has been through `legible.label`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import msgspec


class Total(msgspec.Struct, frozen=True, tag="total"):
    """A count or a sum."""

    value: int | float = 0


class Ratio(msgspec.Struct, frozen=True, tag="ratio"):
    """So many of so many."""

    part: int | float = 0
    whole: int | float = 0

    @property
    def share(self) -> float | None:
        """From 0 to 1; None where there was nothing to have a share of."""
        return self.part / self.whole if self.whole else None


class Uniques(msgspec.Struct, frozen=True, tag="uniques"):
    """How many different values there were.

    Args:
        count: How many.
        exact: False where there were too many to keep; the count is then within about 1 %, most of the time.
    """

    count: int = 0
    exact: bool = True


class Spread(msgspec.Struct, frozen=True, tag="spread"):
    """How values are spread: percentiles by the nearest rank, so each is a value that occurred.

    Args:
        count: How many values there were.
        p50: The smallest value that at least 50 % of the values do not exceed; None where there were none.
        p95: The same for 95 %.
        p99: The same for 99 %.
        exact: False where there were too many to keep; each percentile is then within 1 % of a value that
            occurred.
    """

    count: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    exact: bool = True


class Average(msgspec.Struct, frozen=True, tag="average"):
    """The arithmetic mean of so many values; None where there were none."""

    count: int = 0
    mean: float | None = None


class Ranked(msgspec.Struct, frozen=True):
    """One row of a ranking.

    Args:
        label: What was counted.
        count: How often; where the ranking is not exact, at least so often.
        note: What else is known of it; may be empty.
    """

    label: str
    count: int
    note: str = ""


class Ranking(msgspec.Struct, frozen=True, tag="ranking"):
    """The most frequent values, most frequent first.

    Args:
        rows: The top of the list.
        total: How many values were counted, those that the rows leave out included.
        slack: How much too low a count may be at most; 0 where the ranking is exact.
    """

    rows: tuple[Ranked, ...] = ()
    total: int = 0
    slack: int = 0

    @property
    def exact(self) -> bool:
        """No count is too low and no value is missing."""
        return self.slack == 0


class Visits(msgspec.Struct, frozen=True, tag="visits"):
    """Who was there.

    Args:
        identified: Different session ids.
        anonymous: Requests without a session id; each counts as a session of its own.
    """

    identified: Uniques = Uniques()
    anonymous: int = 0

    @property
    def count(self) -> int:
        """All sessions."""
        return self.identified.count + self.anonymous


class Shares(msgspec.Struct, frozen=True, tag="shares"):
    """How many fell to each choice, by its name, in the order of the definition."""

    counts: dict[str, int] = {}

    @property
    def total(self) -> int:
        """All that made a choice."""
        return sum(self.counts.values())

    def share(self, name: str) -> float | None:
        """The share of one choice; None where there was none at all."""
        return self.counts[name] / self.total if self.total else None


class Part(msgspec.Struct, frozen=True):
    """One group.

    Args:
        name: Its name.
        spread: The percentiles of its values.
        total: The sum of its values.
    """

    name: str
    spread: Spread
    total: float


class Parts(msgspec.Struct, frozen=True, tag="parts"):
    """The largest groups.

    Args:
        parts: Those with the largest sums, the largest first; all others together come last.
        slack: How much of a group's sum may be among all others at most; 0 where the groups are exact.
    """

    parts: tuple[Part, ...] = ()
    slack: float = 0


class Money(msgspec.Struct, frozen=True):
    """An amount of one currency."""

    amount: Decimal
    currency: str


class ModelUsage(msgspec.Struct, frozen=True):
    """What one model did.

    Args:
        model: Its name.
        responses: How many events name it.
        input_tokens: Tokens it read.
        output_tokens: Tokens it wrote.
        cost: What the tokens cost; None where no price was given for it.
    """

    model: str
    responses: int
    input_tokens: int
    output_tokens: int
    cost: Money | None = None

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens


class Usage(msgspec.Struct, frozen=True, tag="usage"):
    """What all models did.

    Args:
        models: Each of them, by tokens.
        cost: What all models with a price cost, by currency.
        unpriced: Models that used tokens and have no price.
    """

    models: tuple[ModelUsage, ...] = ()
    cost: tuple[Money, ...] = ()
    unpriced: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens of all models."""
        return sum(model.tokens for model in self.models)


class Lone(msgspec.Struct, frozen=True):
    """One request that has an event and lacks its partner.

    Args:
        time: When it was made.
        correlationid: Its correlation id.
        text: What the event says of it.
    """

    time: datetime
    correlationid: str
    text: str


class Orphans(msgspec.Struct, frozen=True, tag="orphans"):
    """Events of one request that should come together, and did not.

    Args:
        missing: Requests with the first event and without the other, among all requests with the first.
        unexpected: Requests with the other event and without the first.
        first: The first few requests that lack the other.
    """

    missing: Ratio = Ratio()
    unexpected: int = 0
    first: tuple[Lone, ...] = ()


Figure = Total | Ratio | Uniques | Spread | Average | Ranking | Visits | Shares | Parts | Usage | Orphans


def is_blank(figure: Figure) -> bool:
    """There was nothing to measure. Of a count that is never so: that there was nothing is worth saying."""
    match figure:
        case Ratio(whole=0) | Spread(count=0) | Average(count=0) | Shares(total=0):
            return True
        case Ranking(rows=()) | Parts(parts=()) | Usage(models=()):
            return True
        case Orphans(missing=Ratio(whole=0), unexpected=0):
            return True
        case _:
            return False


F = TypeVar("F", Total, Ratio, Uniques, Spread, Average, Ranking, Visits, Shares, Parts, Usage, Orphans)


class Slice(msgspec.Struct, frozen=True):
    """A day of the period, or whatever it was cut into.

    Args:
        start: When it begins.
        label: Its name on an axis.
        measures: The figures that a chart shows, by the name of their measure.
    """

    start: datetime
    label: str
    measures: dict[str, Figure]

    def of(self, name: str, kind: type[F]) -> F:
        """The figure of a measure. Raises TypeError where it is of another kind."""
        return _checked(self.measures[name], kind)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """All that a report says of one period.

    Args:
        events: Events by type.
        measures: The figure of each measure of the definition, by its name.
        slices: The period, day by day or as it was cut.
        unreadable: Events whose data this process does not understand: a newer version, a failing upcaster.
        unusable: Values that could not be used, by field.
    """

    events: Ranking = Ranking()
    measures: dict[str, Figure] = {}
    slices: tuple[Slice, ...] = ()
    unreadable: int = 0
    unusable: tuple[Ranked, ...] = ()

    def of(self, name: str, kind: type[F]) -> F:
        """The figure of a measure. Raises TypeError where it is of another kind."""
        return _checked(self.measures[name], kind)


def _checked(figure: Figure, kind: type[F]) -> F:
    if not isinstance(figure, kind):
        message = f"the figure is {type(figure).__name__}, not {kind.__name__}"
        raise TypeError(message)
    return figure
