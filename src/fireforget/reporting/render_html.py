"""The report as HTML: one page for a file, with its charts inside, or the body of a mail that names them.

What a mail client can show is all there is: nested tables, inlined styles, no script, nothing loaded from
elsewhere. Every value is escaped by the template engine, after `legible.clean` has taken out what escaping
would leave in.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING, Any

from fireforget.reporting import charts
from fireforget.reporting.compose import compose
from fireforget.reporting.document import Chart, Table
from fireforget.reporting.extra import report_extra
from fireforget.reporting.legible import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2 import Template

    from fireforget.reporting.document import Document
    from fireforget.reporting.report import Report


def render_html(report: Report) -> str:
    """Render a report as a page of its own: the charts are in it, nothing else is needed to show it.

    Raises:
        SettingsError: The extra ``fireforget[report]`` is not installed.
    """
    document = compose(report)
    drawn = {chart.name: charts.draw(chart) for chart in document.charts}
    sources = {name: f"data:image/png;base64,{b64encode(image).decode()}" for name, image in drawn.items()}
    return layout(document, sources)


def layout(document: Document, sources: Mapping[str, str]) -> str:
    """Lay out any document as HTML.

    Args:
        document: What is shown.
        sources: Where each chart's image is, by the chart's name: a ``cid:`` or ``data:`` URI.

    Raises:
        SettingsError: The extra ``fireforget[report]`` is not installed.
    """
    page = _template().render(document=document, sources=sources, width=charts.WIDTH)
    with report_extra():
        from css_inline import CSSInliner
    return CSSInliner(load_remote_stylesheets=False).inline(page)


@cache
def _template() -> Template:
    with report_extra():
        from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fireforget.reporting"),
        autoescape=True,
        finalize=_fit,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests.update(chart=_is(Chart), table=_is(Table))
    return environment.get_template("report.html.jinja")


def _fit(value: Any) -> Any:
    """What the engine puts every value through before it escapes it."""
    return clean(value) if isinstance(value, str) else value


def _is(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kind)
