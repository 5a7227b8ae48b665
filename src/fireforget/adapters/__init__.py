"""What adapters are made of: the parts that every backend needs, and none should write again.

A backend may use them or not; the promises are those of `fireforget.abc`.
"""

from __future__ import annotations

from fireforget.adapters.addresses import Envelope, check_addresses, envelope, visible_bytes
from fireforget.adapters.closable import Closable
from fireforget.adapters.limits import DELIVERED, check_lease, judge
from fireforget.adapters.moments import PER_SECOND, micros, moment, span
from fireforget.adapters.query import answers, first_uuid7
from fireforget.adapters.record import parse_record, render_record
from fireforget.adapters.url import split_url, url_options

__all__ = [
    "DELIVERED",
    "PER_SECOND",
    "Closable",
    "Envelope",
    "answers",
    "check_addresses",
    "check_lease",
    "envelope",
    "first_uuid7",
    "judge",
    "micros",
    "moment",
    "parse_record",
    "render_record",
    "span",
    "split_url",
    "url_options",
    "visible_bytes",
]
