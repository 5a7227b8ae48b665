"""The usual worker and the usual function: from the configuration to a pipeline that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fireforget._backends import Adapters, Roles
from fireforget._clock import SystemClock
from fireforget._configuration import load_settings
from fireforget._hooks import Hooks
from fireforget._plugin import import_plugin
from fireforget._schema import shared_types
from fireforget.processing.function import Function
from fireforget.processing.intake import Intake
from fireforget.processing.processor import Processor
from fireforget.processing.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from fireforget._clock import Clock
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


def make_function(
    settings: Settings | None = None,
    *,
    types: EventTypes = shared_types,
    hooks: Hooks | None = None,
    clock: Clock | None = None,
) -> Function:
    """Make the function that the settings describe, with the adapters that they name.

    Args:
        settings: The configuration; None to read `fireforget.toml` and the ``FIREFORGET_*`` variables.
        types: The event types; by default those registered by `event_type`, as the plugin does.
        hooks: Is told of errors and of dead letters.
        clock: Time, sleep and chance; None for the machine's own.

    Raises:
        SettingsError: The configuration cannot be used, the plugin cannot be imported, or an enricher cannot be made.
    """
    settings, hooks, clock = settings or load_settings(), hooks or Hooks(), clock or SystemClock()
    adapters = Adapters(settings)
    roles = Roles(adapters.queue(), adapters.dead_letters(), adapters.store())
    processor = make_processor(roles.store, roles.dead_letters, settings, types, hooks, clock)
    return Function(roles, processor, settings.processing.concurrency, hooks, clock)


def load_plugin(name: str) -> Sequence[Enricher]:
    """Import the user's module, which registers its event types, and return its ``enrichers``, if it has any.

    Raises:
        SettingsError: It cannot be imported.
    """
    module = import_plugin(name)
    enrichers: Sequence[Enricher] = getattr(module, "enrichers", ())
    return enrichers
