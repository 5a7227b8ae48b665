"""What is closed once and refuses to be used after that."""

from __future__ import annotations

from fireforget.errors import ClosedError


class Closable:
    """An adapter that holds nothing that would have to be freed."""

    _closed = False

    async def aclose(self) -> None:
        """Refuse any further call. Idempotent."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"this {type(self).__name__} is closed: make another one")
