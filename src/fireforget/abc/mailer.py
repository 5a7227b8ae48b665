"""The mailer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from email.message import EmailMessage


@runtime_checkable
class Mailer(Protocol):
    """Delivers a report."""

    async def send(self, message: EmailMessage) -> None:
        """Hand over one message; returning means that it was accepted for delivery, with all its parts.

        The same message may be sent again.

        Raises:
            PermanentError: It has no sender or no recipient, or will never be taken.
            TransientError: It may be taken later.
        """
        ...

    async def aclose(self) -> None:
        """Free connections. Idempotent."""
        ...
