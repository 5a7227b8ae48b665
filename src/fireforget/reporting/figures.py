"""The figures of a report: plain structs that say what was counted, encodable to JSON and back.

Nothing here is formatted. Every text that came with an event has been through `legible.label`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec


class Ratio(msgspec.Struct, frozen=True):
    """So many of so many."""

    part: int = 0
    whole: int = 0

    @property
    def share(self) -> float | None:
        """From 0 to 1; None where there was nothing to have a share of."""
        return self.part / self.whole if self.whole else None


class Uniques(msgspec.Struct, frozen=True):
    """How many different values there were.

    Args:
        count: How many.
        exact: False where there were too many to keep; the count is then within about 1 %, most of the time.
    """

    count: int = 0
    exact: bool = True


class Spread(msgspec.Struct, frozen=True):
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


class Average(msgspec.Struct, frozen=True):
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


class Ranking(msgspec.Struct, frozen=True):
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


class Sessions(msgspec.Struct, frozen=True):
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


class Quality(msgspec.Struct, frozen=True):
    """How well responses matched their queries.

    Args:
        full: Responses with a full match.
        partial: Responses with a partial match.
        none: Responses without a match.
        score: Mean of the match scores, 0 to 100.
    """

    full: int = 0
    partial: int = 0
    none: int = 0
    score: Average = Average()

    @property
    def matched(self) -> Ratio:
        """Full or partial matches among the responses that say how they matched."""
        return Ratio(self.full + self.partial, self.full + self.partial + self.none)


class Part(msgspec.Struct, frozen=True):
    """One part of the processing.

    Args:
        name: Its name.
        spread: Its percentiles, in milliseconds.
        total_ms: All its time.
    """

    name: str
    spread: Spread
    total_ms: float


class Money(msgspec.Struct, frozen=True):
    """An amount of one currency."""

    amount: Decimal
    currency: str


class ModelUsage(msgspec.Struct, frozen=True):
    """What one model did.

    Args:
        model: Its name.
        responses: How many responses it gave.
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


class Orphan(msgspec.Struct, frozen=True):
    """One request that has a query and no response.

    Args:
        time: When it was made.
        correlationid: Its correlation id.
        query: What was asked.
    """

    time: datetime
    correlationid: str
    query: str


class Orphans(msgspec.Struct, frozen=True):
    """Queries and responses that did not find each other.

    Args:
        queries: Requests with a query and no response, among all requests with a query.
        responses: Requests with a response and no query.
        first: The first few requests without a response.
    """

    queries: Ratio = Ratio()
    responses: int = 0
    first: tuple[Orphan, ...] = ()


class Slice(msgspec.Struct, frozen=True):
    """A day of the period, or whatever it was cut into.

    Args:
        start: When it begins.
        label: Its name on an axis.
        queries: Queries in it.
        full: Responses with a full match.
        partial: Responses with a partial match.
        none: Responses without a match.
        speed: Processing time, in milliseconds.
    """

    start: datetime
    label: str
    queries: int
    full: int
    partial: int
    none: int
    speed: Spread


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """All that the reference report says of one period.

    Args:
        events: Events by type.
        queries: Events of the type ``query``.
        responses: Events of the type ``response``.
        sessions: Whose they were.
        quality: How well responses matched.
        speed: Processing time of a response, in milliseconds.
        parts: Where that time went.
        cache: Responses from the cache, among those that say whether they were.
        models: What each model did, by tokens.
        cost: What all models with a price cost, by currency.
        unpriced: Models that used tokens and have no price.
        top_queries: What was asked most.
        top_sources: Where queries came from.
        top_skills: What responses matched, once a response.
        missed: What was asked and found no match, with the reasoning of the first such response.
        orphans: Queries without a response, and the other way round.
        slices: The period, day by day or as it was cut.
        unreadable: Events whose data this process does not understand: a newer version, a failing upcaster.
        unusable: Values that could not be used, by field.
    """

    events: Ranking = Ranking()
    queries: int = 0
    responses: int = 0
    sessions: Sessions = Sessions()
    quality: Quality = Quality()
    speed: Spread = Spread()
    parts: tuple[Part, ...] = ()
    cache: Ratio = Ratio()
    models: tuple[ModelUsage, ...] = ()
    cost: tuple[Money, ...] = ()
    unpriced: tuple[str, ...] = ()
    top_queries: Ranking = Ranking()
    top_sources: Ranking = Ranking()
    top_skills: Ranking = Ranking()
    missed: Ranking = Ranking()
    orphans: Orphans = Orphans()
    slices: tuple[Slice, ...] = ()
    unreadable: int = 0
    unusable: tuple[Ranked, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens of all models."""
        return sum(model.tokens for model in self.models)
