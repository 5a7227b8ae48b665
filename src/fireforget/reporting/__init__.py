"""The report: from the events of a period to a page that can be read on a Monday morning.

The way to it::

    definition ──┐
    store ───────┴► aggregate ──► Report ──► render_text | render_html | message ──► Mailer

A `Definition` says what is measured and how it is shown; `definition` and `kinds` are its vocabulary, and `load` reads
one from TOML. `aggregate` streams the events through its measures and is the only part that reads a store. A `Report`
is figures and nothing else; `compose` puts them in words, once, and text, HTML and mail lay out the same words. Text
needs only the core; HTML and mail need the extra ``fireforget[report]``. `ScheduledReport` sends one whenever it is
due; `send_report` sends one on call, where a platform knows the hour.
"""

from __future__ import annotations

from fireforget.reporting.aggregate import aggregate
from fireforget.reporting.definition import Definition
from fireforget.reporting.definitions import load
from fireforget.reporting.deliver import message
from fireforget.reporting.extra import load_extra
from fireforget.reporting.figures import Figures
from fireforget.reporting.health import pipeline_health
from fireforget.reporting.period import Period
from fireforget.reporting.render_html import render_html
from fireforget.reporting.render_text import render_text
from fireforget.reporting.report import Health, Report
from fireforget.reporting.scheduled import ScheduledReport
from fireforget.reporting.sending import Sending, send_report

__all__ = [
    "Definition",
    "Figures",
    "Health",
    "Period",
    "Report",
    "ScheduledReport",
    "Sending",
    "aggregate",
    "load",
    "load_extra",
    "message",
    "pipeline_health",
    "render_html",
    "render_text",
    "send_report",
]
