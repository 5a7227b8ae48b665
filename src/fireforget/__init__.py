"""`ctx.waitUntil()` for Python, with a crash-safe analytics pipeline behind it."""

from __future__ import annotations

from fireforget._app import FireForget
from fireforget._configuration import load_settings
from fireforget._context import ExecutionContext, current_context
from fireforget._emit import BeforeEmit
from fireforget._event import Event, EventId
from fireforget._journal import Counts
from fireforget._schema import EventTypes, event_type, upcaster
from fireforget._settings import (
    DispatchSettings,
    HostSettings,
    HttpSettings,
    JournalSettings,
    Price,
    ProcessingSettings,
    ReportSettings,
    Settings,
)
from fireforget._site import site_counts
from fireforget.errors import (
    AdapterError,
    BackendNotFoundError,
    EventError,
    FireForgetError,
    JournalError,
    PermanentError,
    SettingsError,
    TransientError,
)

__all__ = [
    "AdapterError",
    "BackendNotFoundError",
    "BeforeEmit",
    "Counts",
    "DispatchSettings",
    "Event",
    "EventError",
    "EventId",
    "EventTypes",
    "ExecutionContext",
    "FireForget",
    "FireForgetError",
    "HostSettings",
    "HttpSettings",
    "JournalError",
    "JournalSettings",
    "PermanentError",
    "Price",
    "ProcessingSettings",
    "ReportSettings",
    "Settings",
    "SettingsError",
    "TransientError",
    "current_context",
    "event_type",
    "load_settings",
    "site_counts",
    "upcaster",
]
