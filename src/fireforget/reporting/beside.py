"""The figures of a period beside those of the period before: rows and charts that set one against the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireforget.reporting.document import Chart, Row, Series
from fireforget.reporting.period import MONTHS
from fireforget.reporting.timeline import unit
from fireforget.reporting.wording import Change, change, duration, percent, points, quantity

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from fireforget.reporting.document import Kind, Unit
    from fireforget.reporting.figures import Slice
    from fireforget.reporting.report import Report
    from fireforget.reporting.wording import Better


class Beside:
    """What the sections of a report are made from.

    Args:
        report: What is shown.
    """

    def __init__(self, report: Report) -> None:
        before = report.period.previous()
        named = report.period.noun == before.noun != "period"
        self.period = report.period
        self.health = report.health
        self.now = report.figures
        self.before = report.before
        self.names = (report.period.short, before.short) if named else ("Period", "Before")
        self.heads = ("", *self.names, "Change")

    def counts(self, name: str, now: int, before: int, better: Better = "neither") -> Row:
        """A row of two counts."""
        return Row.of(name, quantity(now), quantity(before), change(now, before, better))

    def times(self, name: str, now: float | None, before: float | None) -> Row:
        """A row of two times, of which the shorter is the better."""
        return Row.of(name, duration(now), duration(before), change(now, before, "less"))

    def shares(self, name: str, now: float | None, before: float | None, better: Better) -> Row:
        """A row of two shares."""
        return Row.of(name, percent(now), percent(before), points(now, before, better))

    @property
    def cost_change(self) -> Change:
        """How the cost changed; unknown unless both periods have every price and the same one currency."""
        now, before = self.now, self.before
        if now.unpriced or before.unpriced or not len(now.cost) == len(before.cost) == 1:
            return Change("unknown")
        (cost,), (was,) = now.cost, before.cost
        if cost.currency != was.currency:
            return Change("unknown")
        return change(float(cost.amount), float(was.amount))

    def slices(self, value: Callable[[Slice], float | None]) -> tuple[float | None, ...]:
        """One value of each slice of the period."""
        return tuple(value(piece) for piece in self.now.slices)

    def slices_before(self, value: Callable[[Slice], float | None]) -> tuple[float | None, ...]:
        """The same of the period before, laid beside the period's own slices from the first on.

        Where that period was shorter there is no value; where it was longer its last ones are left out.
        """
        values = [value(piece) for piece in self.before.slices][: len(self.now.slices)]
        return (*values, *[None] * (len(self.now.slices) - len(values)))

    def chart(self, name: str, title: str, kind: Kind, series: tuple[Series, ...], of: Unit = "count") -> Chart:
        """A chart over the slices of the period."""
        labels = tuple(piece.label for piece in self.now.slices)
        return Chart(name, f"{title} by {unit(self.period)}", kind, labels, series, of)

    def moment(self, time: datetime) -> str:
        """A moment by the clocks of the period's zone: ``16 Nov 12:07``."""
        local = self.period.local(time)
        return f"{local.day} {MONTHS[local.month - 1][:3]} {local:%H:%M}"
