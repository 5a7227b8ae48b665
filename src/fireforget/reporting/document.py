"""A report as blocks to be laid out: tiles, tables, charts and notes, all of it already in words.

What stands in a document is decided once, in `compose` and `sections`; the text and the HTML only lay it out,
so both say the same. The blocks know nothing of events: whatever is measured can be shown with them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fireforget.reporting.wording import Change, Format, Mood

Kind = Literal["bars", "stack", "lines"]
Tone = Literal["now", "before", "good", "middling", "bad", "low", "high"]


class Cell(msgspec.Struct, frozen=True):
    """One cell of a table.

    Args:
        text: What it says.
        mood: Whether that is good news.
    """

    text: str = ""
    mood: Mood = "neutral"


class Row(msgspec.Struct, frozen=True):
    """One row of a table.

    Args:
        cells: One for each column.
        detail: A line below it, in smaller type; may be empty.
        bar: A share from 0 to 1 to be drawn; None for no bar.
        total: It sums up the rows above.
    """

    cells: tuple[Cell, ...]
    detail: str = ""
    bar: float | None = None
    total: bool = False

    @classmethod
    def of(cls, *cells: str | Change, detail: str = "", bar: float | None = None, total: bool = False) -> Row:
        """A row of texts and changes."""
        made = (Cell(cell) if isinstance(cell, str) else Cell(cell.text, cell.mood) for cell in cells)
        return cls(tuple(made), detail, bar, total)


class Table(msgspec.Struct, frozen=True):
    """Rows under heads. The first column is text, which may be long; the others are numbers, aligned to the right.

    Args:
        heads: What stands above each column; each may be empty.
        rows: The rows; never none.
    """

    heads: tuple[str, ...]
    rows: tuple[Row, ...]


class Series(msgspec.Struct, frozen=True):
    """One line or one colour of a chart.

    Args:
        name: Its name in the legend.
        tone: Which colour it has.
        values: One for each label; None for no value.
    """

    name: str
    tone: Tone
    values: tuple[float | None, ...]


class Chart(msgspec.Struct, frozen=True):
    """Series over the slices of the period.

    Args:
        name: Its own name in this document, letters and digits.
        title: What it shows.
        kind: ``"bars"`` (series beside each other), ``"stack"`` (series on each other) or ``"lines"``.
        labels: The slices.
        series: What is drawn.
        format: How the values are written.
    """

    name: str
    title: str
    kind: Kind
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    format: Format = Format()

    @property
    def alt(self) -> str:
        """The chart in words, for who cannot see it."""
        return f"{self.title}. " + " ".join(self._extent(series) for series in self.series)

    def words(self, value: float | None) -> str:
        """One of its values in words."""
        return self.format.words(value)

    def _extent(self, series: Series) -> str:
        points = [(value, name) for value, name in zip(series.values, self.labels, strict=True) if value is not None]
        if not points:
            return f"{series.name}: none."
        (least, lowest), (most, highest) = min(points), max(points)
        if least == most:
            return f"{series.name}: {self.words(most)} throughout."
        return f"{series.name}: from {self.words(least)} ({lowest}) to {self.words(most)} ({highest})."


class Note(msgspec.Struct, frozen=True):
    """A sentence or two."""

    text: str


Block = Table | Chart | Note


class Section(msgspec.Struct, frozen=True):
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Block, ...]


class Tile(msgspec.Struct, frozen=True):
    """One headline number.

    Args:
        label: What it is.
        value: The number in words.
        change: How it changed against the period before.
        note: What else is to be said of it; may be empty.
    """

    label: str
    value: str
    change: Cell
    note: str = ""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report.

    Args:
        title: What it is a report of.
        heading: Its period.
        span: The days of the period, and the time zone.
        summary: The period in a sentence or two.
        notices: What needs somebody's attention.
        tiles: The headline numbers.
        sections: Everything else.
        footnotes: How the figures are to be read.
    """

    title: str
    heading: str
    span: str
    summary: str
    notices: tuple[str, ...]
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]
    footnotes: tuple[str, ...]

    @property
    def charts(self) -> tuple[Chart, ...]:
        """All charts, in their order."""
        return tuple(block for section in self.sections for block in section.blocks if isinstance(block, Chart))
