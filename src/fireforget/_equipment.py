"""What one `FireForget` publishes to and processes with: the adapters it was given, else those of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from fireforget._backends import Adapters, Roles
from fireforget._site import queue_digest

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from fireforget._clock import Clock
    from fireforget._hooks import Hooks
    from fireforget._schema import EventTypes
    from fireforget._settings import Settings
    from fireforget.abc import DeadLetters, Queue, Store
    from fireforget.processing import Worker

A = TypeVar("A", "Queue", "DeadLetters", "Store")


class Given(NamedTuple):
    """Adapters that the user has made; None for what the settings name. They are the user's to close, too.

    Args:
        queue: Where events are published to.
        dead_letters: Where events go that cannot be processed.
        store: Where events go.
    """

    queue: Queue | None
    dead_letters: DeadLetters | None
    store: Store | None


class Equipment:
    """Makes the queue, and the embedded worker where there is to be one. What it makes is left with a stack to close.

    Args:
        settings: The whole configuration.
        given: Adapters in place of the configured ones.
        types: The event types.
        hooks: The user's callbacks.
        clock: Time, sleep and chance.

    Raises:
        SettingsError: The configuration names what could never work in this process.
    """

    def __init__(self, settings: Settings, given: Given, types: EventTypes, hooks: Hooks, clock: Clock) -> None:
        self._settings = settings
        self._given = given
        self._types = types
        self._hooks = hooks
        self._clock = clock
        self._adapters = Adapters(settings)
        self._adapters.check(given.queue, given.store)

    def queue_digest(self) -> str:
        """What a journal's manifest says of the queue.

        Raises:
            BackendNotFoundError: The backend cannot be imported.
            SettingsError: The URL names no queue.
        """
        given = self._given.queue
        return queue_digest(given.identity if given is not None else self._adapters.identity)

    @property
    def embedded(self) -> bool:
        """Should the worker run inside the application?"""
        return self._adapters.embedded

    @property
    def local_queue(self) -> bool:
        """Is the queue that of the settings, and one of this machine?"""
        return self._given.queue is None and self._adapters.local_queue

    def queue(self, made: AsyncExitStack) -> Queue:
        """Where events are published to."""
        return self._given.queue or _closing(made, self._adapters.queue())

    def make_worker(self, queue: Queue, made: AsyncExitStack) -> Worker:
        """Make the worker that takes from `queue`, and sends the report where one is scheduled.

        Raises:
            SettingsError: The plugin cannot be imported, or an enricher cannot be made.
        """
        from fireforget.processing.factory import make_worker

        store = self._given.store or _closing(made, self._adapters.store())
        letters = self._given.dead_letters or _closing(made, self._adapters.dead_letters())
        parts = Roles(queue, letters, store), self._settings, self._types, self._hooks, self._clock
        if not self._settings.report.schedule:
            return make_worker(*parts)
        from fireforget.reporting.scheduled import ScheduledReport

        return make_worker(*parts, chores=[ScheduledReport(*parts).run])


def _closing(made: AsyncExitStack, adapter: A) -> A:
    """An adapter of our own making is ours to close."""
    made.push_async_callback(adapter.aclose)
    return adapter
