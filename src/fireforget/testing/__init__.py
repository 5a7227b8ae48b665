"""For tests: the conformance kit that every adapter passes, a clock that stands still, and captured events.

Install it with ``pip install "fireforget[testing]"``. Pytest then knows the fixture `fireforget` and the option
``--fireforget-report``; see `fireforget.testing.plugin`. What is imported from here loads when it is first asked for,
since pytest loads its plugins at every start.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fireforget.testing.capture import Capture
    from fireforget.testing.clock import ManualClock
    from fireforget.testing.conformance.dead_letters import DeadLettersConformance
    from fireforget.testing.conformance.mailer import MailerConformance
    from fireforget.testing.conformance.queue import QueueConformance
    from fireforget.testing.conformance.store import StoreConformance
    from fireforget.testing.place import Place

__all__ = [
    "Capture",
    "DeadLettersConformance",
    "MailerConformance",
    "ManualClock",
    "Place",
    "QueueConformance",
    "StoreConformance",
]

_HOMES: Final = {
    "Capture": "capture",
    "DeadLettersConformance": "conformance.dead_letters",
    "MailerConformance": "conformance.mailer",
    "ManualClock": "clock",
    "Place": "place",
    "QueueConformance": "conformance.queue",
    "StoreConformance": "conformance.store",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for.

    Raises:
        ImportError: The extra is not installed; the message says how to install it.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        message = f'{__name__} needs {error.name}, which is not installed: run pip install "fireforget[testing]"'
        raise ImportError(message) from error
    return getattr(home, name)
