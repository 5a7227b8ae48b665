"""The backend, which makes adapters, and what it and they may be besides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fireforget.abc.dead_letters import DeadLetters
    from fireforget.abc.mailer import Mailer
    from fireforget.abc.queue import Capabilities, Queue
    from fireforget.abc.store import Store

Role = Literal["queue", "store", "mailer"]
"""What an adapter is for."""


@runtime_checkable
class Backend(Protocol):
    """Makes adapters from URLs; registered in two groups of entry points.

    In ``fireforget.backends`` by its own name (``local``), which the setting ``backend`` takes; in
    ``fireforget.schemes`` by each scheme of a URL that it answers to (``sqlite``, ``memory``). The makers do no I/O and
    raise `SettingsError` for a URL that they cannot use. A backend may be a `UrlChecker` and a `Provisioner` besides,
    and its adapters `Checkable`.
    """

    @property
    def embeddable(self) -> bool:
        """The queue lives on this machine, so the worker may run inside the application."""
        ...

    def url(self, role: Role, *, name: str, directory: str) -> str:
        """The URL that a role gets where the user gave only the backend's name."""
        ...

    def queue(self, url: str) -> Queue:
        """Make the queue that the URL names."""
        ...

    def dead_letters(self, url: str) -> DeadLetters:
        """Make the dead letters of the queue that the URL names."""
        ...

    def store(self, url: str) -> Store:
        """Make the store that the URL names."""
        ...

    def mailer(self, url: str) -> Mailer:
        """Make the mailer that the URL names."""
        ...


@runtime_checkable
class UrlChecker(Protocol):
    """What any backend may be besides: it tells what is wrong with a URL before an adapter is needed.

    An application then fails as it starts, and not in its background.
    """

    def check_url(self, role: Literal["queue", "store"], url: str) -> Capabilities | None:
        """Refuse a URL that does not name what the role needs. No I/O, and nothing heavy is loaded.

        Returns:
            What the queue can do, for that role; None where only the adapter knows.

        Raises:
            SettingsError: The URL cannot be used; the message says the mend.
        """
        ...


class Finding(msgspec.Struct, frozen=True):
    """What one look at one thing showed.

    Args:
        name: What was looked at, in a word or two: ``"permissions"``.
        status: ``"ok"``. ``"warning"``: it works, but somebody should know. ``"wrong"``: it does not work.
        text: What was found. It holds no secret.
        mend: What to do about it; empty where nothing is to be done, or where the text says it.
    """

    name: str
    status: Literal["ok", "warning", "wrong"]
    text: str
    mend: str = ""


@runtime_checkable
class Checkable(Protocol):
    """What any adapter may be besides: it can tell what is wrong with it. ``fireforget doctor`` asks."""

    async def check(self) -> Sequence[Finding]:
        """Look whether it could do its work: reachable, permitted, laid out. Changes nothing and sends nothing.

        What can be told apart is a finding of its own. An `AdapterError` that is raised counts as one, too.
        """
        ...


@runtime_checkable
class Preparable(Protocol):
    """What any adapter may be besides: it can make ahead what its first call needs. Functions ask while they start."""

    async def prepare(self) -> None:
        """Load and make what is heavy, clients for one. Nothing is asked of the service.

        Raises:
            AdapterError: It cannot be made; the first call tries again.
        """
        ...


class Step(msgspec.Struct, frozen=True):
    """One thing that is missing before a backend can be used.

    Args:
        action: What is to be done, and to what: ``"make the queue cv.fifo"``. It holds no secret.
        apply: Does it. What is there meanwhile stays as it is. Raises `AdapterError` where it cannot be done.
    """

    action: str
    apply: Callable[[], Awaitable[None]]


@runtime_checkable
class Provisioner(Protocol):
    """What any backend may be besides: it makes what its adapters need. ``fireforget provision`` asks."""

    async def plan(self, urls: Mapping[Role, str]) -> Sequence[Step]:
        """What is missing, in the order in which it has to be made; empty where all is there. Changes nothing.

        Args:
            urls: The URL of each role that this backend fills.

        Raises:
            AdapterError: What is there cannot be seen.
        """
        ...
