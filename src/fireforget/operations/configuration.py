"""What a doctor looks at in the configuration: what it names has to be there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fireforget._backends import ROLES, Adapters
from fireforget._schema import shared_types
from fireforget._settings import without_secrets
from fireforget.abc import Finding
from fireforget.processing import Intake
from fireforget.processing.factory import load_plugin
from fireforget.reporting import Period

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fireforget._clock import Clock
    from fireforget._settings import Settings


def backends(settings: Settings, _clock: Clock) -> Iterator[Finding]:
    """Is there an installed backend for each role?"""
    adapters = Adapters(settings)
    urls = (f"{role} {without_secrets(adapters.url(role))}" for role in ROLES)
    yield Finding("backends", "ok", ", ".join(urls))


def plugin(settings: Settings, _clock: Clock) -> Iterator[Finding]:
    """Can the plugin be imported, and can the enrichers be made that it and the settings ask for?"""
    Intake(settings.processing, load_plugin(settings.plugin), types=shared_types, secret=settings.secret_bytes)
    yield Finding("plugin", "ok", f"{settings.plugin} can be imported" if settings.plugin else "none")


def time_zone(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Is the time zone of the report known here?"""
    today = datetime.fromtimestamp(clock.time_ns() / 1e9, UTC).date()
    yield Finding("time zone", "ok", Period.days(today, today, zone=settings.report.timezone).zone)
