"""What a doctor looks at in the configuration: what it names has to be there."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fireforget._backends import ROLES, Adapters
from fireforget._schema import shared_types
from fireforget._secrets import without_secrets
from fireforget.abc import Finding
from fireforget.processing import Intake
from fireforget.processing.factory import load_plugin
from fireforget.reporting import Period
from fireforget.reporting.scheduled import schedule_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fireforget._clock import Clock
    from fireforget._settings import Settings


def file(path: Path | None, settings: Settings) -> Finding:
    """Which file was read, and may only its owner read a secret in it?"""
    if path is None:
        text = "no fireforget.toml in the working directory: the defaults hold, besides FIREFORGET_* variables"
        return Finding("configuration", "ok", text, "'fireforget init' writes one; --config FILE names another")
    text = path.read_text(encoding="utf-8")
    secret = without_secrets(text) != text or (settings.secret and settings.secret in text)
    if secret and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        mend = f"chmod 600 {path}, or give the secret by a FIREFORGET_* variable"
        return Finding("configuration", "warning", f"{path.absolute()} holds a secret that others may read", mend)
    return Finding("configuration", "ok", f"{path.absolute()}")


def backends(settings: Settings, _clock: Clock) -> Iterator[Finding]:
    """Is there an installed backend for each role, and can it use its URL?"""
    adapters = Adapters(settings)
    adapters.check_url("queue")
    adapters.check_url("store")
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


def scheduled_report(settings: Settings, _clock: Clock) -> Iterator[Finding]:
    """Can the report be sent that the worker is to send, as far as the configuration goes?"""
    if settings.report.schedule:
        schedule_of(settings.report)
    yield Finding("scheduled report", "ok", settings.report.schedule or "none")
