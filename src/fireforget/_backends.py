"""From one line of configuration to adapters, through the entry points of the installed backends."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from fireforget.abc import Backend, DeadLetters, Mailer, Queue, Role, Store
from fireforget.errors import BackendNotFoundError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import EntryPoint

    from fireforget._settings import Settings

GROUP: Final = "fireforget.backends"

ROLES: Final[tuple[Role, ...]] = ("queue", "store", "mailer")


class Roles(NamedTuple):
    """The adapters that a worker needs.

    Args:
        queue: Where deliveries come from.
        dead_letters: Where events go that cannot be processed.
        store: Where events go.
    """

    queue: Queue
    dead_letters: DeadLetters
    store: Store


class Adapters:
    """Makes the adapters that the settings name. Loads a backend when its first adapter is made.

    Args:
        settings: The whole configuration.

    Raises:
        BackendNotFoundError: No installed backend answers to a name or a URL scheme.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: Queue | None = None  # to tell its identity; the next who asks for a queue gets it
        for role in ROLES:
            _entry_point(self._source(role))

    def url(self, role: Role) -> str:
        """The URL of a role: the user's own, or the backend's default."""
        given: str = getattr(self._settings, role)
        if given:
            return given
        return self._backend(role).url(role, name=self._settings.name, directory=self._settings.directory)

    def queue(self) -> Queue:
        """Make the queue."""
        made, self._made = self._made, None
        return made or self._make_queue()

    def dead_letters(self) -> DeadLetters:
        """Make the dead letters of the queue."""
        return self._backend("queue").dead_letters(self.url("queue"))

    def store(self) -> Store:
        """Make the store."""
        return self._backend("store").store(self.url("store"))

    def mailer(self) -> Mailer:
        """Make the mailer."""
        return self._backend("mailer").mailer(self.url("mailer"))

    @property
    def embedded(self) -> bool:
        """Should the worker run inside the application?"""
        chosen = self._settings.processing.embedded
        return self._backend("queue").embeddable if chosen is None else chosen

    @cached_property
    def identity(self) -> str:
        """Which queue the events of a journal are for, without secrets: what the queue says, however it is spelled.

        Raises:
            BackendNotFoundError: The backend cannot be imported.
            SettingsError: The URL names no queue.
        """
        self._made = self._make_queue()
        return self._made.identity

    def _make_queue(self) -> Queue:
        return self._backend("queue").queue(self.url("queue"))

    def backends(self) -> Iterator[tuple[Backend, dict[Role, str]]]:
        """The backends in use, each once, with the URLs of the roles that it fills."""
        found: dict[int, tuple[Backend, dict[Role, str]]] = {}
        for role in ROLES:
            backend = self._backend(role)
            found.setdefault(id(backend), (backend, {}))[1][role] = self.url(role)
        yield from found.values()

    def _source(self, role: Role) -> str:
        """The backend's name or URL scheme that a role asks for."""
        given: str = getattr(self._settings, role)
        if not given:
            return self._settings.backend
        scheme = urlsplit(given).scheme
        if not scheme:
            message = f"{role} is no URL: write scheme://..., such as sqlite:///events.db"
            raise SettingsError(message)
        return scheme

    def _backend(self, role: Role) -> Backend:
        name = self._source(role)
        try:
            backend = _entry_point(name).load()
        except ImportError as error:
            message = f"the backend {name!r} cannot be imported ({error}): install what it needs"
            raise BackendNotFoundError(message) from error
        if not isinstance(backend, Backend):
            message = f"the entry point {name!r} of {GROUP} is not a fireforget.abc.Backend"
            raise BackendNotFoundError(message)
        return backend


def _entry_point(name: str) -> EntryPoint:
    from importlib.metadata import entry_points

    found = entry_points(group=GROUP)
    for point in found:
        if point.name == name:
            return point
    known = ", ".join(sorted({point.name for point in found})) or "none"
    message = f"no backend answers to {name!r}; installed: {known}: mend the name, or install what brings it"
    raise BackendNotFoundError(message)
