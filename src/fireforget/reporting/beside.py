"""The figures of a period beside those of the period before: rows and charts that set one against the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireforget.reporting.document import Chart, Row, Series
from fireforget.reporting.figures import Shares
from fireforget.reporting.period import MONTHS
from fireforget.reporting.timeline import unit
from fireforget.reporting.values import Value, values_of
from fireforget.reporting.wording import NOTHING, Format, quantity

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from fireforget.reporting.definition import ChartBlock
    from fireforget.reporting.document import Tone
    from fireforget.reporting.figures import Slice
    from fireforget.reporting.report import Report
    from fireforget.reporting.wording import Change

LINES: tuple[Tone, ...] = ("low", "high", "good", "middling")
"""The colours of the lines of one chart, in their order; more cannot be told apart."""


class Beside:
    """What the sections of a report are made from.

    Args:
        report: What is shown.
    """

    def __init__(self, report: Report) -> None:
        before = report.period.previous()
        named = report.period.noun == before.noun != "period"
        self.alone = not report.before.events.total
        self.definition = report.definition
        self.period = report.period
        self.health = report.health
        self.now = report.figures
        self.before = report.before
        self.names = (report.period.short, before.short) if named else ("Period", "Before")
        self.heads = ("", self.names[0]) if self.alone else ("", *self.names, "Change")

    def known(self, value: Value) -> bool:
        """There is something to say of a value: it has data, or had some in the period before."""
        if value.caveat(self.now):
            return True  # it would be known, but for a price
        return any(not value.blank(figures) and value.words(figures) != NOTHING for figures in (self.now, self.before))

    def row(self, reference: str, label: str = "") -> list[Row]:
        """A row of a value, beside that of the period before; of a split, a row for each choice.

        None where neither period has data for it; where the period before has none of anything, nothing stands beside.
        """
        rows = []
        for value in filter(self.known, values_of(reference, self.definition.measures)):
            name = label or value.label
            figure = value.figure(self.now)
            if isinstance(figure, Shares):
                name = f"{name} ({quantity(figure.counts[value.facet])})"
            cells: list[str | Change] = [name, value.words(self.now)]
            if not self.alone:
                cells += [value.words(self.before), value.changed(self.now, self.before)]
            rows.append(Row.of(*cells, detail=value.detail(self.now)))
        return rows

    def chart(self, block: ChartBlock, name: str) -> Chart | None:
        """A chart over the slices of the period; None where there is nothing to draw."""
        values = [value for reference in block.values for value in values_of(reference, self.definition.measures)]
        series: tuple[Series, ...]
        if block.draw == "bars":
            (value,) = values
            series = (Series(self.names[0], "now", self._along(value)),)
            if not self.alone:
                series += (Series(self.names[1], "before", self._along_before(value)),)
        elif block.draw == "stack":
            series = tuple(Series(value.short, value.tone, self._counts(value)) for value in values)
        else:
            shorts = {value.short for value in values}
            names = [value.short if len(shorts) == len(values) else value.label for value in values]
            lines = zip(names, LINES, values, strict=False)  # there are more colours than lines
            series = tuple(Series(name, tone, self._along(value)) for name, tone, value in lines)
        if not any(number for one in series for number in one.values):
            return None
        labels = tuple(piece.label for piece in self.now.slices)
        title = f"{block.title} by {unit(self.period)}"
        form = Format() if block.draw == "stack" else values[0].format
        return Chart(name, title, block.draw, labels, series, form)

    def moment(self, time: datetime) -> str:
        """A moment by the clocks of the period's zone: ``16 Nov 12:07``."""
        local = self.period.local(time)
        return f"{local.day} {MONTHS[local.month - 1][:3]} {local:%H:%M}"

    def _along(self, value: Value) -> tuple[float | None, ...]:
        """The value in each slice."""
        return tuple(value.number(piece) for piece in self.now.slices)

    def _along_before(self, value: Value) -> tuple[float | None, ...]:
        """The value in the period before, each slice beside its like; None where it has no such slice.

        Days, weeks and months go from the first on. Hours go by the clock: a day of 25 hours has one without its like.
        """
        slices = self.before.slices
        if unit(self.period) != "hour":
            numbers = [value.number(piece) for piece in slices[: len(self.now.slices)]]
            return (*numbers, *[None] * (len(self.now.slices) - len(numbers)))
        start, earlier = self.period.local(self.period.start), self.period.local(self.period.previous().start)
        by_clock = {self._clock(piece, earlier): value.number(piece) for piece in slices}
        return tuple(by_clock.get(self._clock(piece, start)) for piece in self.now.slices)

    def _clock(self, piece: Slice, start: datetime) -> tuple[timedelta, int]:
        """How far the clocks have gone since the start when a slice begins, and whether they show that once more."""
        local = self.period.local(piece.start)
        return local.replace(tzinfo=None, fold=0) - start.replace(tzinfo=None, fold=0), local.fold

    def _counts(self, value: Value) -> tuple[float, ...]:
        """How many fell to a choice in each slice."""
        return tuple(piece.of(value.name, Shares).counts[value.facet] for piece in self.now.slices)
