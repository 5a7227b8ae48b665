"""From deliveries to records: validate, enrich, write, settle.

The worker does so without end, wherever no platform does; the function does so call by call, where one does.
"""

from __future__ import annotations

from fireforget.processing.enrichers import DirectEnricher, Enricher, Geo, Session, UserAgent
from fireforget.processing.factory import make_function, make_processor, make_worker
from fireforget.processing.function import Function, Handled
from fireforget.processing.intake import Intake
from fireforget.processing.privacy import Privacy
from fireforget.processing.processor import Processor
from fireforget.processing.totals import Totals
from fireforget.processing.verdict import Verdict
from fireforget.processing.worker import Worker

__all__ = [
    "DirectEnricher",
    "Enricher",
    "Function",
    "Geo",
    "Handled",
    "Intake",
    "Privacy",
    "Processor",
    "Session",
    "Totals",
    "UserAgent",
    "Verdict",
    "Worker",
    "make_function",
    "make_processor",
    "make_worker",
]
