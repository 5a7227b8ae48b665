"""The report as plain text: aligned, and at most 78 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fireforget.reporting.compose import compose
from fireforget.reporting.document import Chart, Note, Row, Table
from fireforget.reporting.legible import clean, clip, pad, width, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fireforget.reporting.document import Document, Tile
    from fireforget.reporting.report import Report

COLUMNS: Final = 78

_GAP: Final = "  "
_BAR: Final = 12
_NARROWEST: Final = 12
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"


def render_text(report: Report) -> str:
    """Render a report as plain text of at most 78 columns. Needs nothing but the core."""
    return layout(compose(report))


def layout(document: Document) -> str:
    """Lay out any document as plain text."""
    lines = [*_wrap(document.title), *_wrap(document.heading), *_wrap(document.span), "=" * COLUMNS, ""]
    lines += _wrap(document.summary)
    for number, notice in enumerate(document.notices):
        lines += [*([] if number else [""]), *_wrap(notice, first="! ")]
    if document.tiles:
        lines += ["", *_tiles(document.tiles)]
    for section in document.sections:
        lines += ["", "", section.title.upper(), "-" * COLUMNS]
        for number, block in enumerate(section.blocks):
            lines += [""] if number else []
            lines += _block(block)
    lines += ["", "", "-" * COLUMNS]
    for footnote in document.footnotes:
        lines += _wrap(footnote)
    return "\n".join(clip(line.rstrip(), COLUMNS) for line in lines) + "\n"


def _block(block: Table | Chart | Note) -> Iterator[str]:
    if isinstance(block, Table):
        return _table(block)
    return _table(_as_table(block)) if isinstance(block, Chart) else iter(_wrap(block.text))


def _as_table(chart: Chart) -> Table:
    """The values of a chart as a table; the first series also as bars, and of a stack the whole height of it."""
    drawn = chart.series if chart.kind == "stack" else chart.series[:1]
    heights = [sum(value or 0 for value in values) for values in zip(*(series.values for series in drawn), strict=True)]
    highest = max(heights, default=0)
    rows = []
    for number, name in enumerate(chart.labels):
        values = (chart.words(series.values[number]) for series in chart.series)
        bar = heights[number] / highest if highest else 0
        rows.append(Row.of(name, *values, bar=bar))
    return Table((chart.title, *(series.name for series in chart.series)), tuple(rows))


def _tiles(tiles: tuple[Tile, ...]) -> Iterator[str]:
    widths = [
        max(map(width, column))
        for column in zip(*((tile.label, tile.value, tile.change.text) for tile in tiles), strict=True)
    ]
    for tile in tiles:
        line = _line([tile.label, tile.value, tile.change.text], widths)
        yield f"{line}{_GAP}{tile.note}"


def _table(table: Table) -> Iterator[str]:
    """The lines of a table: numbers as wide as they are, then the bars, the first column what is left."""
    heads = [clean(head) for head in table.heads]
    grid = [[clean(cell.text) for cell in row.cells] for row in table.rows]
    widths = [max(map(width, cells)) for cells in zip(heads, *grid, strict=True)]
    bars = len(_GAP) + _BAR if any(row.bar is not None for row in table.rows) else 0
    others = sum(widths[1:]) + len(_GAP) * (len(widths) - 1)
    if COLUMNS - others - bars >= min(widths[0], _NARROWEST):
        others += bars
    else:
        bars = 0  # the numbers say the same
    widths[0] = max(min(widths[0], COLUMNS - others), _NARROWEST)
    if any(heads):
        yield _line(heads, widths)
        yield ""
    for row, cells in zip(table.rows, grid, strict=True):
        if row.total:
            yield "-" * (sum(widths) + len(_GAP) * (len(widths) - 1))
        line = _line(cells, widths)
        yield line if row.bar is None or not bars else f"{line}{_GAP}{_drawn(row.bar)}"
        if row.detail:
            yield f"    {clean(row.detail)}"


def _line(cells: list[str], widths: list[int]) -> str:
    padded = (
        pad(clip(cell, space), space, right=number > 0)
        for number, (cell, space) in enumerate(zip(cells, widths, strict=True))
    )
    return _GAP.join(padded)


def _drawn(share: float) -> str:
    """A bar of blocks, an eighth of a column fine."""
    whole, eighths = divmod(round(min(max(share, 0), 1) * _BAR * 8), 8)
    return "█" * whole + (_EIGHTHS[eighths] if eighths else "")


def _wrap(text: str, first: str = "") -> list[str]:
    lines = wrap(clean(text), COLUMNS - len(first))
    return [(" " * len(first) if number else first) + line for number, line in enumerate(lines)]
