"""The report: from the events of a period to a page that can be read on a Monday morning.

    store ──► aggregate ──► Report ──► render_text | render_html | message

`aggregate` streams the events through measures and is the only part that does I/O. A `Report` is figures and
nothing else; `compose` puts them in words, once, and text, HTML and mail lay out the same words. Text needs
only the core; HTML and mail need the extra ``fireforget[report]``.
"""

from __future__ import annotations

from fireforget.reporting.aggregate import aggregate
from fireforget.reporting.deliver import message
from fireforget.reporting.figures import Figures
from fireforget.reporting.period import Period
from fireforget.reporting.render_html import render_html
from fireforget.reporting.render_text import render_text
from fireforget.reporting.report import Health, Report

__all__ = ["Figures", "Health", "Period", "Report", "aggregate", "message", "render_html", "render_text"]
