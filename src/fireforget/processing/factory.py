"""The usual worker: from the configuration to a pipeline that runs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fireforget.errors import SettingsError
from fireforget.processing.intake import Intake
from fireforget.processing.processor import Processor
from fireforget.processing.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from fireforget._backends import Roles
    from fireforget._clock import Clock
    from fireforget._hooks import Hooks
    from fireforget._schema import EventTypes
    from fireforget._settings import Settings
    from fireforget.abc import DeadLetters, Store
    from fireforget.processing.enrichers import Enricher


def make_processor(
    store: Store, dead_letters: DeadLetters, settings: Settings, types: EventTypes, hooks: Hooks, clock: Clock
) -> Processor:
    """Make the processor that the settings describe.

    Raises:
        SettingsError: The plugin cannot be imported, or an enricher cannot be made.
    """
    enrichers = load_plugin(settings.plugin)
    intake = Intake(settings.processing, enrichers, types=types, secret=settings.secret_bytes)
    return Processor(store, dead_letters, intake, settings.processing, hooks=hooks, clock=clock)


def make_worker(
    roles: Roles,
    settings: Settings,
    types: EventTypes,
    hooks: Hooks,
    clock: Clock,
    chores: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
) -> Worker:
    """Make the worker that the settings describe, with what else it is to run.

    Raises:
        SettingsError: The plugin cannot be imported, or an enricher cannot be made.
    """
    processor = make_processor(roles.store, roles.dead_letters, settings, types, hooks, clock)
    return Worker(roles.queue, processor, settings.processing, hooks=hooks, clock=clock, chores=chores)


def load_plugin(name: str) -> Sequence[Enricher]:
    """Import the user's module, which registers its event types, and return its ``enrichers``, if it has any.

    Raises:
        SettingsError: It cannot be imported.
    """
    if not name:
        return ()
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a user's module may raise anything while it is imported
        message = f"plugin = {name!r} cannot be imported: {type(error).__name__}: {error}"
        raise SettingsError(message) from error
    enrichers: Sequence[Enricher] = getattr(module, "enrichers", ())
    return enrichers
