"""The sections of a report: each block of the definition takes the figures and says them, or has nothing to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fireforget.reporting import definition as shown
from fireforget.reporting import wording
from fireforget.reporting.document import Block, Note, Row, Section, Table
from fireforget.reporting.figures import Orphans, Parts, Ranking, Spread, Usage
from fireforget.reporting.grouped import OTHER
from fireforget.reporting.kinds import Groups
from fireforget.reporting.survey import events_of
from fireforget.reporting.wording import NOTHING, Format, percent, quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fireforget.reporting.beside import Beside

_NAMED: Final = 5
"""Models that are named as lacking a price; the table above shows the others."""
_TYPES_SHOWN: Final = 10


def sections(beside: Beside, *, only_pipeline: bool = False) -> Iterator[Section]:
    """The sections of the definition that have anything to say.

    Args:
        beside: What they are made from.
        only_pipeline: For a period without data: nothing but the pipeline's own counts.
    """
    for number, section in enumerate(beside.definition.sections, start=1):
        blocks: list[Block] = []
        for place, block in enumerate(section.blocks, start=1):
            if isinstance(block, shown.PipelineBlock) or not only_pipeline:
                blocks += _said(beside, block, f"chart{number}x{place}")
        if blocks:
            yield Section(section.title, tuple(blocks))


def _said(beside: Beside, block: shown.AnyBlock, name: str) -> Iterator[Block]:
    if isinstance(block, shown.ChartBlock):
        chart = beside.chart(block, name)
        return iter((chart,) if chart else ())
    return _SAYS[type(block)](beside, block)


def _table(beside: Beside, block: shown.TableBlock) -> Iterator[Block]:
    rows: list[Row] = []
    for row in block.rows:
        rows += beside.row(row) if isinstance(row, str) else beside.row(row.value, row.label)
    if rows:
        yield Table(beside.heads, tuple(rows))
    names = dict.fromkeys((row if isinstance(row, str) else row.value).partition(".")[0] for row in block.rows)
    spreads = (beside.now.measures[name] for name in names)
    yield from _inexact(*(spread for spread in spreads if isinstance(spread, Spread)))


def _ranking(beside: Beside, block: shown.RankingBlock) -> Iterator[Block]:
    ranking = beside.now.of(block.measure, Ranking)
    if not ranking.rows:
        return
    at_least = "" if ranking.exact else "≥ "
    rows = []
    for row in ranking.rows:
        share = row.count / ranking.total
        rows.append(Row.of(row.label, at_least + quantity(row.count), percent(share), detail=row.note, bar=share))
    yield Table((block.title, block.counted, "Share"), tuple(rows))
    if not ranking.exact:
        slack = quantity(ranking.slack)
        yield Note(f"There were too many different ones to keep each: a count may be up to {slack} too low.")


def _groups(beside: Beside, block: shown.GroupsBlock) -> Iterator[Block]:
    figure = beside.now.of(block.measure, Parts)
    parts = figure.parts
    measure = beside.definition.measures[block.measure]
    if not parts or not isinstance(measure, Groups):
        return
    form = Format(measure.unit, measure.decimals, measure.suffix)
    everything = sum(part.total for part in parts)
    rows = []
    for part in parts:
        share = part.total / everything if everything else None
        values = map(form.words, (part.spread.p50, part.spread.p95, part.spread.p99))
        rows.append(Row.of(part.name, *values, percent(share), bar=share))
    yield Table((block.title, "p50", "p95", "p99", "Share"), tuple(rows))
    yield from _inexact(*(part.spread for part in parts))
    if figure.slack and everything:
        most = percent(figure.slack / everything)
        yield Note(f"There were too many to keep each: of one, up to {most} of everything may be among all others.")


def _inexact(*spreads: Spread) -> Iterator[Block]:
    if not all(spread.exact for spread in spreads):
        yield Note("There were too many values to keep each: percentiles are within 1% of the exact ones.")


def _models(beside: Beside, block: shown.ModelsBlock) -> Iterator[Block]:
    now = beside.now.of(block.measure, Usage)
    if not now.models:
        return
    rows = []
    for usage in now.models:
        counts = map(quantity, (usage.responses, usage.input_tokens, usage.output_tokens))
        rows.append(Row.of(usage.model, *counts, wording.money(usage.cost) if usage.cost else NOTHING))
    if len(now.models) > 1:
        counted = [(usage.responses, usage.input_tokens, usage.output_tokens) for usage in now.models]
        sums = (quantity(sum(column)) for column in zip(*counted, strict=True))
        rows.append(Row.of("All", *sums, wording.moneys(now.cost), total=True))
    yield Table(("Model", block.counted, "Tokens in", "Tokens out", "Cost"), tuple(rows))
    if now.unpriced:
        names = ", ".join(now.unpriced[:_NAMED])
        if len(now.unpriced) > _NAMED:
            names += f" and {len(now.unpriced) - _NAMED} more"
        yield Note(f"No price given for {names}: write it into [report.prices], per million tokens.")


def _examples(beside: Beside, block: shown.ExamplesBlock) -> Iterator[Block]:
    first = beside.now.of(block.measure, Orphans).first
    if first:
        rows = (Row.of(lone.text, beside.moment(lone.time), detail=lone.correlationid) for lone in first)
        yield Table((block.title, "When"), tuple(rows))


def _events(beside: Beside, block: shown.EventsBlock) -> Iterator[Block]:
    measured = {event for measure in beside.definition.measures.values() for event in events_of(measure)}
    others = [row for row in beside.now.events.rows if row.label not in measured]
    if others:
        rows = [Row.of(row.label, quantity(row.count)) for row in others[:_TYPES_SHOWN]]
        if len(others) > _TYPES_SHOWN:
            rows.append(Row.of(OTHER, quantity(sum(row.count for row in others[_TYPES_SHOWN:]))))
        yield Table((block.title, "Events"), tuple(rows))


def _pipeline(beside: Beside, _: shown.PipelineBlock) -> Iterator[Block]:
    """What became of the events on their way, and of what they carried."""
    if beside.health is not None:
        counts = beside.health.counts
        rows = [Row.of(name, quantity(count)) for name, count in counts if count is not None]
        if rows:
            yield Table(("Since the journals were made", "Events"), tuple(rows))
    now = beside.now
    rows = [Row.of(field.label, quantity(field.count)) for field in now.unusable]
    if now.unreadable:
        rows.insert(0, Row.of("whole events", quantity(now.unreadable)))
    if rows:
        yield Table(("Values that could not be used", "Times"), tuple(rows))
    elif now.events.total:
        yield Note("Every value that the events carried could be used.")


_SAYS: Final[dict[type, Callable[..., Iterator[Block]]]] = {
    shown.TableBlock: _table,
    shown.RankingBlock: _ranking,
    shown.GroupsBlock: _groups,
    shown.ModelsBlock: _models,
    shown.ExamplesBlock: _examples,
    shown.EventsBlock: _events,
    shown.PipelineBlock: _pipeline,
}
