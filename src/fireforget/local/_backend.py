"""The embedded backend: it makes adapters of its URLs. What a URL does not name is not loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast
from urllib.parse import SplitResult, unquote

import anyio.to_thread

from fireforget.adapters import split_url, url_options
from fireforget.errors import SettingsError
from fireforget.local import _directory, _url
from fireforget.local._limits import CAPABILITIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fireforget.abc import Capabilities, Clock, DeadLetters, Mailer, Queue, Role, Step, Store
    from fireforget.local.mail import Encryption
    from fireforget.local.sqlite import Synchronous

_SQLITE_OPTIONS: Final = {"synchronous": ("normal", "full")}
_SMTP_OPTIONS: Final = {"tls": ("starttls", "implicit", "none")}


class LocalBackend:
    """Everything on this machine. Its module says how the URLs are written.

    Args:
        clock: Where the adapters' time comes from; the system's by default.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock

    @property
    def embeddable(self) -> bool:
        """All of it is on this machine."""
        return True

    def url(self, role: Role, *, name: str, directory: str) -> str:
        """The file ``<directory>/<name>.db`` for queue and store, the directory ``<directory>/mail`` for mail."""
        if role == "mailer":
            return _url.directory_url(f"{directory}/mail")
        return _url.sqlite_url(f"{directory}/{name}.db")

    def check_url(self, role: Literal["queue", "store"], url: str) -> Capabilities | None:
        """Refuse what is no ``sqlite`` or ``memory`` URL; the queues of both can do the same.

        Raises:
            SettingsError: The URL names no queue or no store.
        """
        parts = split_url(url)
        if parts.scheme == "memory":
            _memory_name(parts)
        else:
            _sqlite(parts, role)
        return CAPABILITIES if role == "queue" else None

    def queue(self, url: str) -> Queue:
        """Make the queue of a ``sqlite`` or ``memory`` URL.

        Raises:
            SettingsError: The URL names no queue.
        """
        parts = split_url(url)
        if parts.scheme == "memory":
            from fireforget.local.memory import MemoryQueue

            return MemoryQueue(_memory_name(parts), clock=self._clock)
        path, synchronous = _sqlite(parts, "queue")
        from fireforget.local.sqlite import SQLiteQueue

        return SQLiteQueue(path, synchronous=synchronous, clock=self._clock)

    def dead_letters(self, url: str) -> DeadLetters:
        """Make the dead letters of the queue that the URL names.

        Raises:
            SettingsError: The URL names no queue.
        """
        parts = split_url(url)
        if parts.scheme == "memory":
            from fireforget.local.memory import MemoryDeadLetters

            return MemoryDeadLetters(_memory_name(parts), clock=self._clock)
        path, synchronous = _sqlite(parts, "queue")
        from fireforget.local.sqlite import SQLiteDeadLetters

        return SQLiteDeadLetters(path, synchronous=synchronous, clock=self._clock)

    def store(self, url: str) -> Store:
        """Make the store of a ``sqlite`` or ``memory`` URL.

        Raises:
            SettingsError: The URL names no store.
        """
        parts = split_url(url)
        if parts.scheme == "memory":
            from fireforget.local.memory import MemoryStore

            return MemoryStore(_memory_name(parts), clock=self._clock)
        path, synchronous = _sqlite(parts, "store")
        from fireforget.local.sqlite import SQLiteStore

        return SQLiteStore(path, synchronous=synchronous, clock=self._clock)

    def mailer(self, url: str) -> Mailer:
        """Make the mailer of a ``file`` or ``smtp`` URL.

        Raises:
            SettingsError: The URL names no mailer.
        """
        parts = split_url(url)
        if parts.scheme == "file":
            from fireforget.local.mail import FileMailer

            url_options(parts, {})
            return FileMailer(_url.directory_path(parts), clock=self._clock)
        if parts.scheme != "smtp":
            raise SettingsError(f"{parts.scheme}:// names no mailer: write file:///absolute/directory or smtp://host")
        from fireforget.local.mail import SMTPMailer, SMTPServer

        if not parts.hostname or parts.path.strip("/"):
            raise SettingsError("an smtp URL names a server: write smtp://user:password@host:587")
        encryption = cast("Encryption", url_options(parts, _SMTP_OPTIONS).get("tls", "starttls"))
        return SMTPMailer(
            SMTPServer(
                host=parts.hostname,
                port=parts.port,
                encryption=encryption,
                user=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
            )
        )

    async def plan(self, urls: Mapping[Role, str]) -> Sequence[Step]:
        """Directories and tables that are missing. All of it is made at the first use, too.

        Raises:
            SettingsError: A URL does not fit its role.
            AdapterError: A file is there that is not ours, or cannot be read.
        """
        steps: dict[str, Step] = {}  # the queue and the store may be in one file
        for role, url in urls.items():
            for step in await anyio.to_thread.run_sync(_steps, role, url):
                steps.setdefault(step.action, step)
        return list(steps.values())


def _steps(role: Role, url: str) -> list[Step]:
    """What one role needs."""
    parts = split_url(url)
    if parts.scheme == "file":
        return _directory.steps(Path(_url.directory_path(parts)))
    if parts.scheme != "sqlite":
        return []
    path, synchronous = _sqlite(parts, role)
    from fireforget.local.sqlite import steps

    return steps(Path(path).absolute(), synchronous)


def _memory_name(parts: SplitResult) -> str:
    url_options(parts, {})
    if parts.path.strip("/"):
        raise SettingsError("a memory URL has a name and nothing else: write memory://name")
    return unquote(parts.netloc)


def _sqlite(parts: SplitResult, role: str) -> tuple[str, Synchronous]:
    """The file and whether its commits wait for the disk."""
    if parts.scheme != "sqlite":
        raise SettingsError(f"{parts.scheme}:// names no {role}: write sqlite:///path.db or memory://name")
    synchronous = url_options(parts, _SQLITE_OPTIONS).get("synchronous", "normal")
    return _url.sqlite_path(parts), cast("Synchronous", synchronous)
