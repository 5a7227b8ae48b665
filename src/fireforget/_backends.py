"""From one line of configuration to adapters, through the entry points of the installed backends."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from fireforget._plugin import check_plugin
from fireforget._secrets import without_secrets
from fireforget.abc import Backend, Capabilities, DeadLetters, Mailer, Queue, Role, Store, UrlChecker
from fireforget.errors import BackendNotFoundError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.metadata import EntryPoint, EntryPoints

    from fireforget._settings import Settings

BACKENDS: Final = "fireforget.backends"
"""The group of entry points whose names are those that ``backend`` takes."""
SCHEMES: Final = "fireforget.schemes"
"""The group of entry points whose names are the schemes of URLs."""
_SCHEME: Final = re.compile(r"([A-Za-z][\w+.-]*):")

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
        from importlib.metadata import entry_points

        self._settings = settings
        self._made: Queue | None = None  # to tell its identity; the next who asks for a queue gets it
        # Once, since it reads what every installed distribution says of itself.
        installed = {group: entry_points(group=group) for group in (BACKENDS, SCHEMES)}
        self._points = {role: self._entry_point(role, installed) for role in ROLES}

    def check(self, queue: Queue | None, store: Store | None) -> None:
        """Refuse what could never work in this process. Opens nothing, and imports nothing of the user's.

        Args:
            queue: The one that is used in place of the configured one.
            store: As `queue`.

        Raises:
            SettingsError: A URL names no such thing, a lease is too long for the queue, or there is no such plugin.
        """
        capabilities = self.check_url("queue") if queue is None else queue.capabilities
        if self.embedded:
            if capabilities is not None:
                check_lease(self._settings.processing.lease_seconds, capabilities)
            if store is None:
                self.check_url("store")
            if self._settings.plugin:
                check_plugin(self._settings.plugin)

    def check_url(self, role: Literal["queue", "store"]) -> Capabilities | None:
        """Refuse a URL that its backend cannot use. Opens nothing.

        Returns:
            What the queue can do; None for a store, and where only the adapter knows.

        Raises:
            SettingsError: What the backend says, with the role before it.
        """
        backend = self._backend(role)
        if not isinstance(backend, UrlChecker):
            return None
        try:
            return backend.check_url(role, self.url(role))
        except SettingsError as error:
            message = f"{role}: {error}"
            raise type(error)(message) from error

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
        return self.local_queue if chosen is None else chosen

    @property
    def local_queue(self) -> bool:
        """Is the queue one of this machine?"""
        return self._backend("queue").embeddable

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

    def _entry_point(self, role: Role, installed: Mapping[str, EntryPoints]) -> EntryPoint:
        """What the role's URL, else the backend's name asks for."""
        given: str = getattr(self._settings, role)
        if not given:
            return _find(installed, BACKENDS, self._settings.backend)
        scheme = _SCHEME.match(given)
        if scheme is None:
            example = "smtp://mail.example.org:587" if role == "mailer" else "sqlite:///events.db"
            message = f"{role} is no URL: write scheme://..., such as {example}"
            raise SettingsError(message)
        return _find(installed, SCHEMES, scheme[1].lower())

    def _backend(self, role: Role) -> Backend:
        point = self._points[role]
        try:
            backend = point.load()
        except ImportError as error:
            message = f"the backend {point.name!r} cannot be imported ({error}): install what it needs"
            raise BackendNotFoundError(message) from error
        if not isinstance(backend, Backend):
            message = f"the entry point {point.name!r} of {point.group} is not a fireforget.abc.Backend"
            raise BackendNotFoundError(message)
        return backend


def check_lease(seconds: float, capabilities: Capabilities) -> None:
    """Compare a lease with what a queue allows.

    Raises:
        SettingsError: It is longer.
    """
    longest = capabilities.max_lease_seconds
    if seconds > longest:
        message = f"lease_seconds = {seconds:g} in [processing] is too long: this queue allows {longest:g}"
        raise SettingsError(message)


def _find(installed: Mapping[str, EntryPoints], group: str, name: str) -> EntryPoint:
    found = installed[group]
    for point in found:
        if point.name == name:
            return point
    known = ", ".join(sorted({point.name for point in found})) or "none"
    message = f"no backend answers to {without_secrets(name)!r}; installed: {known}: "
    if group == BACKENDS and name in installed[SCHEMES].names:
        message += f"{name}:// begins a URL: give one as queue, store or mailer"
    else:
        message += "mend the name, or install what brings it"
    raise BackendNotFoundError(message)
