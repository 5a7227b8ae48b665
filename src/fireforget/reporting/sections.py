"""The sections of the reference report: each takes the figures and says them in blocks, or has nothing to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fireforget.reporting import wording
from fireforget.reporting.document import Block, Note, Row, Section, Series, Table
from fireforget.reporting.wording import NOTHING, change, duration, percent, plural, quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fireforget.reporting.beside import Beside
    from fireforget.reporting.figures import Ranking, Sessions
    from fireforget.reporting.wording import Better


def activity(beside: Beside) -> Section:
    """How much was asked, when and by how many."""
    now, before = beside.now, beside.before
    blocks: list[Block] = []
    if now.queries or before.queries:
        series = (
            Series(beside.names[0], "now", beside.slices(lambda piece: piece.queries)),
            Series(beside.names[1], "before", beside.slices_before(lambda piece: piece.queries)),
        )
        blocks.append(beside.chart("activity", "Queries", "bars", series))
    rows = (
        beside.counts("Queries", now.queries, before.queries, "more"),
        beside.counts("Responses", now.responses, before.responses, "more"),
        _sessions(now.sessions, before.sessions),
    )
    blocks.append(Table(beside.heads, rows))
    others = [row for row in now.events.rows if row.label not in {"query", "response"}]
    if others:
        counted = (Row.of(row.label, quantity(row.count)) for row in others)
        blocks.append(Table(("Other events", "Events"), tuple(counted)))
    return Section("Activity", tuple(blocks))


def tops(beside: Beside) -> Section | None:
    """What was asked most, where it came from, what it matched."""
    now = beside.now
    blocks = [
        *_ranking("Queries", "Times", now.top_queries),
        *_ranking("Sources", "Queries", now.top_sources),
        *_ranking("Matched skills", "Responses", now.top_skills),
    ]
    return Section("What was asked", tuple(blocks)) if blocks else None


def quality(beside: Beside) -> Section | None:
    """How well responses matched, and what was asked in vain."""
    now, before = beside.now.quality, beside.before.quality
    blocks: list[Block] = []
    rows: list[Row] = []
    if now.matched.whole:
        series = (
            Series("Full", "good", beside.slices(lambda piece: piece.full)),
            Series("Partial", "middling", beside.slices(lambda piece: piece.partial)),
            Series("None", "bad", beside.slices(lambda piece: piece.none)),
        )
        blocks.append(beside.chart("quality", "Matches", "stack", series))
        kinds: tuple[tuple[str, int, int, Better], ...] = (
            ("Full match", now.full, before.full, "more"),
            ("Partial match", now.partial, before.partial, "neither"),
            ("No match", now.none, before.none, "less"),
        )
        for name, count, was, better in kinds:
            share = count / now.matched.whole
            past = was / before.matched.whole if before.matched.whole else None
            rows.append(beside.shares(f"{name} ({quantity(count)})", share, past, better))
    if now.score.count:
        mean, was_mean = _score(now.score.mean), _score(before.score.mean)
        by = wording.difference(now.score.mean, before.score.mean, "more")
        rows.append(Row.of("Mean score, of 100", mean, was_mean, by))
    if rows:
        blocks.append(Table(beside.heads, tuple(rows)))
    blocks += _ranking("Asked without a match", "Times", beside.now.missed)
    return Section("Match quality", tuple(blocks)) if blocks else None


def speed(beside: Beside) -> Section | None:
    """How long responses took, where the time went, and how often the cache had the answer."""
    now, before = beside.now, beside.before
    blocks: list[Block] = []
    rows: list[Row] = []
    if now.speed.count:
        series = (
            Series("p50", "low", beside.slices(lambda piece: piece.speed.p50)),
            Series("p95", "high", beside.slices(lambda piece: piece.speed.p95)),
        )
        blocks.append(beside.chart("speed", "Processing time", "lines", series, "ms"))
        rows += [
            beside.times("Half within (p50)", now.speed.p50, before.speed.p50),
            beside.times("95% within (p95)", now.speed.p95, before.speed.p95),
            beside.times("99% within (p99)", now.speed.p99, before.speed.p99),
        ]
    if now.cache.whole:
        rows.append(beside.shares("Cache hit rate", now.cache.share, before.cache.share, "more"))
    if rows:
        blocks.append(Table(beside.heads, tuple(rows)))
    blocks += _parts(beside)
    if not all(spread.exact for spread in (now.speed, *(part.spread for part in now.parts))):
        blocks.append(Note("There were too many times to keep each: percentiles are within 1% of the exact ones."))
    return Section("Speed", tuple(blocks)) if blocks else None


def models(beside: Beside) -> Section | None:
    """What each model used and cost."""
    now = beside.now
    if not now.models:
        return None
    rows = []
    for usage in now.models:
        counts = map(quantity, (usage.responses, usage.input_tokens, usage.output_tokens))
        rows.append(Row.of(usage.model, *counts, wording.money(usage.cost) if usage.cost else NOTHING))
    if len(now.models) > 1:
        counted = [(usage.responses, usage.input_tokens, usage.output_tokens) for usage in now.models]
        sums = (quantity(sum(column)) for column in zip(*counted, strict=True))
        rows.append(Row.of("All", *sums, wording.moneys(now.cost), total=True))
    blocks: list[Block] = [
        Table(("Model", "Responses", "Tokens in", "Tokens out", "Cost"), tuple(rows)),
        Table(
            beside.heads,
            (
                beside.counts("Tokens", now.tokens, beside.before.tokens),
                Row.of("Cost", wording.moneys(now.cost), wording.moneys(beside.before.cost), beside.cost_change),
            ),
        ),
    ]
    if now.unpriced:
        names = ", ".join(now.unpriced)
        blocks.append(Note(f"No price given for {names}: write it into [report.prices], per million tokens."))
    return Section("Models and cost", tuple(blocks))


def orphans(beside: Beside) -> Section | None:
    """Queries that got no response, and responses to nothing."""
    now, before = beside.now.orphans, beside.before.orphans
    if not (now.queries.whole or now.responses):
        return None
    rows = (
        beside.counts("Queries without a response", now.queries.part, before.queries.part, "less"),
        beside.shares("Share of requests with a query", now.queries.share, before.queries.share, "less"),
        beside.counts("Responses without a query", now.responses, before.responses, "less"),
    )
    blocks: list[Block] = [Table(beside.heads, rows)]
    if now.first:
        first = (Row.of(lost.query, beside.moment(lost.time), detail=lost.correlationid) for lost in now.first)
        blocks.append(Table(("The first of them, with their correlation ids", "When"), tuple(first)))
    return Section("Unanswered", tuple(blocks))


def pipeline(beside: Beside) -> Section | None:
    """What became of the events on their way, and of what they carried."""
    blocks = [*_health(beside), *_unusable(beside)]
    return Section("Pipeline", tuple(blocks)) if blocks else None


SECTIONS: Final = (activity, tops, quality, speed, models, orphans, pipeline)
"""In the order of the report."""


def _sessions(now: Sessions, before: Sessions) -> Row:
    counts = (wording.uniques(sessions.identified, sessions.anonymous) for sessions in (now, before))
    ids = wording.uniques(now.identified) + " by session id"
    without = plural(now.anonymous, "request") + " without one"
    return Row.of("Sessions", *counts, change(now.count, before.count, "more"), detail=f"{ids}, {without}")


def _parts(beside: Beside) -> Iterator[Block]:
    parts = beside.now.parts
    if not parts:
        return
    everything = sum(part.total_ms for part in parts)
    rows = []
    for part in sorted(parts, key=lambda part: (-part.total_ms, part.name)):
        share = part.total_ms / everything if everything else None
        times = map(duration, (part.spread.p50, part.spread.p95, part.spread.p99))
        rows.append(Row.of(part.name, *times, percent(share), bar=share))
    yield Table(("Where the time goes", "p50", "p95", "p99", "Share"), tuple(rows))


def _ranking(title: str, counted: str, ranking: Ranking) -> Iterator[Block]:
    """A table of the most frequent values, if there are any."""
    if not ranking.rows:
        return
    at_least = "" if ranking.exact else "≥ "
    rows = []
    for row in ranking.rows:
        share = row.count / ranking.total
        rows.append(Row.of(row.label, at_least + quantity(row.count), percent(share), detail=row.note, bar=share))
    yield Table((title, counted, "Share"), tuple(rows))
    if not ranking.exact:
        slack = quantity(ranking.slack)
        yield Note(f"There were too many different ones to keep each: a count may be up to {slack} too low.")


def _health(beside: Beside) -> Iterator[Block]:
    health = beside.health
    if health is None:
        return
    counts = (
        ("Accepted", health.accepted),
        ("Delivered", health.delivered),
        ("Pending", health.pending),
        ("Dead-lettered", health.dead_lettered),
        ("Dropped", health.dropped),
        ("Corrupt", health.corrupt),
        ("Refused, so never accepted", health.refused),
        ("Messages in the queue now", health.queue_depth),
    )
    rows = [Row.of(name, quantity(count)) for name, count in counts if count is not None]
    if rows:
        yield Table(("Since the journals were made", "Events"), tuple(rows))


def _unusable(beside: Beside) -> Iterator[Block]:
    now = beside.now
    rows = [Row.of(field.label, quantity(field.count)) for field in now.unusable]
    if now.unreadable:
        rows.insert(0, Row.of("whole events", quantity(now.unreadable)))
    if rows:
        yield Table(("Values that could not be used", "Times"), tuple(rows))
    elif now.events.total:
        yield Note("Every value that the events carried could be used.")


def _score(mean: float | None) -> str:
    return NOTHING if mean is None else f"{mean:.1f}"
