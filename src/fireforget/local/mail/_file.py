"""The mailer that writes messages into a directory."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from email import policy
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from fireforget.abc import Clock, Finding, SystemClock
from fireforget.adapters import Closable, check_addresses, moment
from fireforget.errors import PermanentError, TransientError
from fireforget.local import _directory

if TYPE_CHECKING:
    from email.message import EmailMessage


class FileMailer(Closable):
    """Writes each message as one ``.eml`` file, which mail programs open.

    A file appears whole or not at all, under a name that begins with its time in UTC, readable by this user alone. So
    is the directory, where it is made here.

    Args:
        directory: Where to; made when first used.
        clock: Where time comes from; the system's by default.
    """

    def __init__(self, directory: str | os.PathLike[str], *, clock: Clock | None = None) -> None:
        self._directory = Path(directory)
        self._clock = clock or SystemClock()

    async def send(self, message: EmailMessage) -> None:
        """Write the message.

        Raises:
            TransientError: The disk is full or fails.
            PermanentError: The directory cannot be made or written, or the message has no addresses or no text form.
            ClosedError: After `aclose`.
        """
        self._check_open()
        check_addresses(message)
        try:
            await anyio.to_thread.run_sync(self._write, _render(message))
        except (PermissionError, FileExistsError, NotADirectoryError) as error:
            text = f"{self._directory}: mail cannot be written there ({error.strerror}): look at its owner and mode"
            raise PermanentError(text) from error
        except OSError as error:
            raise TransientError(f"{self._directory}: mail cannot be written now ({error.strerror})") from error

    async def check(self) -> list[Finding]:
        """Look whether the directory can be written. See `fireforget.abc.Checkable`."""
        self._check_open()
        return [await anyio.to_thread.run_sync(_directory.look, self._directory)]

    def _write(self, content: bytes) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        time = moment(self._clock.time_ns() // 1000)
        name = f"{time:%Y%m%dT%H%M%S.%fZ}-{hashlib.sha256(content).hexdigest()[:12]}.eml"
        descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=self._directory)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - it is open already
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._directory / name)  # noqa: PTH105 - both spellings are paths here
        except BaseException:  # whatever it is: no half a mail stays behind
            with suppress(FileNotFoundError):
                os.unlink(temporary)  # noqa: PTH108
            raise


def _render(message: EmailMessage) -> bytes:
    try:
        return message.as_bytes(policy=policy.SMTP)
    except (ValueError, LookupError) as error:  # a header or a charset that has no text form
        raise PermanentError(f"the message has no text form: {error}") from error
