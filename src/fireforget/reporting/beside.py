"""The figures of a period beside those of the period before: rows and charts that set one against the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireforget.reporting.document import Chart, Row, Series
from fireforget.reporting.figures import Shares
from fireforget.reporting.period import MONTHS
from fireforget.reporting.timeline import unit
from fireforget.reporting.values import Value, values_of
from fireforget.reporting.wording import Format, quantity

if TYPE_CHECKING:
    from datetime import datetime

    from fireforget.reporting.definition import ChartBlock
    from fireforget.reporting.document import Tone
    from fireforget.reporting.figures import Figures
    from fireforget.reporting.report import Report

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
        self.definition = report.definition
        self.period = report.period
        self.health = report.health
        self.now = report.figures
        self.before = report.before
        self.names = (report.period.short, before.short) if named else ("Period", "Before")
        self.heads = ("", *self.names, "Change")

    def row(self, reference: str, label: str = "") -> list[Row]:
        """A row of a value, beside that of the period before; of a split, a row for each choice.

        None where the period has no data for it.
        """
        measures = self.definition.measures
        rows = []
        for value in values_of(reference, measures):
            if not value.blank(self.now):
                name = label or value.label
                figure = value.figure(self.now)
                if isinstance(figure, Shares):
                    name = f"{name} ({quantity(figure.counts[value.facet])})"
                texts = (value.words(figures) for figures in (self.now, self.before))
                changed = value.changed(self.now, self.before)
                rows.append(Row.of(name, *texts, changed, detail=value.detail(self.now)))
        return rows

    def chart(self, block: ChartBlock, name: str) -> Chart | None:
        """A chart over the slices of the period; None where there is nothing to draw."""
        values = [value for reference in block.values for value in values_of(reference, self.definition.measures)]
        series: tuple[Series, ...]
        if block.draw == "bars":
            (value,) = values
            series = (
                Series(self.names[0], "now", self._along(value, self.now)),
                Series(self.names[1], "before", self._along(value, self.before)),
            )
        elif block.draw == "stack":
            series = tuple(Series(value.short, value.tone, self._counts(value)) for value in values)
        else:
            series = tuple(
                Series(value.short, tone, self._along(value, self.now))
                for value, tone in zip(values, LINES[: len(values)], strict=True)
            )
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

    def _along(self, value: Value, figures: Figures) -> tuple[float | None, ...]:
        """The value in each slice, laid beside the period's own slices from the first on.

        Where the figures are of a shorter period there is no value; where of a longer one, its last ones are left out.
        """
        numbers = [value.number(piece) for piece in figures.slices[: len(self.now.slices)]]
        return (*numbers, *[None] * (len(self.now.slices) - len(numbers)))

    def _counts(self, value: Value) -> tuple[float, ...]:
        """How many fell to a choice in each slice."""
        return tuple(piece.of(value.name, Shares).counts[value.facet] for piece in self.now.slices)
