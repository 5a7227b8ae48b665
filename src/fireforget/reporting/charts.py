"""Charts as small PNG images, drawn with matplotlib, which loads when the first one is drawn.

The background is transparent and every colour is of middling lightness, so that an image can be read on a
light page as well as on a dark one: mail clients darken pages, never images. No text of an event is ever drawn.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Final

from fireforget.reporting.extra import report_extra
from fireforget.reporting.wording import Format

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fireforget.reporting.document import Chart, Series

WHOLE: Final = Format()
WIDTH: Final = 560
"""How wide an image is shown, in CSS pixels; it has twice as many."""
HEIGHT: Final = 236

PALETTE: Final = {
    "now": "#e8590c",
    "before": "#8f96a3",
    "good": "#2b9a66",
    "middling": "#d99a1c",
    "bad": "#d1495b",
    "low": "#4c8dd6",
    "high": "#e8590c",
}
"""The colour of each tone."""

_INK: Final = "#7c8390"
_DOTS_PER_INCH: Final = 200
_POINTS: Final = 11
"""Still legible where a phone shows the image at 60 % of its width."""
_MOST_TICKS: Final = 8
_MARKED_UP_TO: Final = 31


def draw(chart: Chart) -> bytes:
    """Draw a chart as a PNG. The same chart gives the same image.

    Raises:
        SettingsError: matplotlib is not installed.
    """
    with report_extra():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    figure = Figure(figsize=(2 * WIDTH / _DOTS_PER_INCH, 2 * HEIGHT / _DOTS_PER_INCH), dpi=_DOTS_PER_INCH)
    FigureCanvasAgg(figure)  # and not pyplot, which keeps every figure and has one state for all threads
    axes = figure.subplots()
    {"bars": _bars, "stack": _stack, "lines": _lines}[chart.kind](axes, chart)
    _label(axes, chart)
    figure.tight_layout(pad=0.4)
    image = BytesIO()
    figure.savefig(image, format="png", transparent=True, metadata={"Software": None})
    return image.getvalue()


def _bars(axes: Axes, chart: Chart) -> None:
    """The first series as bars, each other one as a mark at its height: two bars for each day would be a thicket."""
    first, *others = chart.series
    places = range(len(chart.labels))
    axes.bar(places, _heights(first), width=0.66, color=PALETTE[first.tone], label=first.name)
    for series in others:
        marks = [(place, value) for place, value in enumerate(series.values) if value]
        axes.hlines(
            [value for _, value in marks],
            [place - 0.42 for place, _ in marks],
            [place + 0.42 for place, _ in marks],
            color=PALETTE[series.tone],
            linewidth=2,
            label=series.name,
        )


def _stack(axes: Axes, chart: Chart) -> None:
    places = range(len(chart.labels))
    floor = [0.0] * len(chart.labels)
    for series in chart.series:
        heights = _heights(series)
        axes.bar(places, heights, width=0.66, bottom=floor, color=PALETTE[series.tone], label=series.name)
        floor = [below + height for below, height in zip(floor, heights, strict=True)]


def _lines(axes: Axes, chart: Chart) -> None:
    marker = "o" if len(chart.labels) <= _MARKED_UP_TO else ""
    for series in chart.series:
        values = [float("nan") if value is None else value for value in series.values]
        colour = PALETTE[series.tone]
        axes.plot(values, color=colour, linewidth=2, marker=marker, markersize=4, label=series.name)


def _heights(series: Series) -> list[float]:
    return [value or 0.0 for value in series.values]


def _label(axes: Axes, chart: Chart) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    every = -(-len(chart.labels) // _MOST_TICKS)
    places = list(range(0, len(chart.labels), every))
    axes.set_xticks(places, [_short(chart.labels[place]) for place in places])
    axes.set_xlim(-0.6, len(chart.labels) - 0.4)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=chart.format == WHOLE))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: chart.words(value)))
    axes.tick_params(labelsize=_POINTS, labelcolor=_INK, length=0, pad=4)
    axes.grid(axis="y", color=_INK, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    handles, names = axes.get_legend_handles_labels()
    legend = dict(zip(names, handles, strict=True))  # matplotlib puts lines before bars
    axes.legend(
        [legend[series.name] for series in chart.series],
        [series.name for series in chart.series],
        loc="lower left",
        bbox_to_anchor=(-0.02, 0.98),
        ncols=len(chart.series),
        frameon=False,
        fontsize=_POINTS,
        labelcolor=_INK,
        handlelength=1.0,
        columnspacing=1.2,
    )


def _short(name: str) -> str:
    """The label without its last word where it begins with one: the month is known from the heading."""
    return name.rsplit(" ", 1)[0] if name[:1].isalpha() else name
