"""Finding what is wrong, and saying the mend.

Each check looks at one thing and changes nothing. One that cannot even look is a finding itself, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from fireforget._clock import Clock, SystemClock
from fireforget._configuration import load_settings, settings_path
from fireforget._settings import Settings
from fireforget.abc import Finding
from fireforget.errors import BackendNotFoundError, FireForgetError, SettingsError
from fireforget.operations import configuration, machine
from fireforget.operations.adapters import adapters
from fireforget.operations.advice import told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

Check = Callable[[Settings, Clock], Iterator[Finding]]

CHECKS: Final[dict[str, Check]] = {
    "backends": configuration.backends,
    "plugin": configuration.plugin,
    "time zone": configuration.time_zone,
    "scheduled report": configuration.scheduled_report,
    "journal directory": machine.journal_directory,
    "journals": machine.journals,
    "dead-letter file": machine.refused,
    "disk": machine.disk,
    "clock": machine.clock,
}
"""By name, in their order; the adapters come last, for they may have to be waited for."""


_MEND: Final = "mend it in the configuration, or in the FIREFORGET_* variable of that name"
_INSTALL: Final = "install what it needs where this runs, or name another one in the configuration"


async def diagnose(path: Path | None = None, clock: Clock | None = None) -> AsyncIterator[Finding]:
    """Yield what is found, check by check.

    Args:
        path: The configuration; None for where `load_settings` looks.
        clock: Where time comes from; the system's by default.
    """
    clock = clock or SystemClock()
    try:
        settings = load_settings(path)
    except SettingsError as error:
        text, mend = told(error)
        yield Finding("configuration", "wrong", text, mend or _MEND)
        return
    yield configuration.file(settings_path(path), settings)
    usable, said = True, set[str]()
    for name, check in CHECKS.items():
        try:
            for finding in check(settings, clock):
                yield finding
        except (FireForgetError, OSError) as error:
            usable &= check is not configuration.backends
            if str(error) not in said:  # what stops two checks is one finding
                text, mend = told(error)
                otherwise = _INSTALL if isinstance(error, BackendNotFoundError) else _MEND
                yield Finding(name, "wrong", text, mend or otherwise)
            said |= {str(error), str(error.__cause__)}
    if usable:
        async for finding in adapters(settings, clock):
            yield finding
