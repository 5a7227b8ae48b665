"""Salts that change with the day, so that a hash cannot be followed from one day to the next."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final

from fireforget.errors import SettingsError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHORTEST_SECRET: Final = 16
_KEY_BYTES: Final = 32
_DAYS_KEPT: Final = 8
"""Late and redelivered events still get their own day's salt; a random one is then gone for good."""


class DailySalt:
    """One salt for each day (UTC). It is never stored, neither with events nor anywhere else.

    Args:
        secret: Derives the salts, so that all processes that know it agree. None makes them at random: each
            process then has its own, and forgets them after some days.

    Raises:
        SettingsError: The secret is shorter than 16 bytes.
    """

    def __init__(self, secret: bytes | None = None) -> None:
        if secret is not None and len(secret) < _SHORTEST_SECRET:
            message = f"the secret has {len(secret)} bytes: use at least {_SHORTEST_SECRET} random ones"
            raise SettingsError(message)
        self._root = None if secret is None else blake2b(secret, digest_size=_KEY_BYTES).digest()
        self._salts: dict[int, bytes] = {}

    def digest(self, content: bytes, time: datetime) -> str:
        """Hash the content under the salt of the day of `time`: 32 hexadecimal digits, keyed BLAKE2b."""
        return blake2b(content, key=self._of((time - _EPOCH).days), digest_size=16).hexdigest()

    def _of(self, day: int) -> bytes:
        salt = self._salts.get(day)
        if salt is None:
            if self._root is None:
                salt = secrets.token_bytes(_KEY_BYTES)
            else:
                salt = blake2b(str(day).encode(), key=self._root, digest_size=_KEY_BYTES).digest()
            if len(self._salts) >= _DAYS_KEPT:
                del self._salts[next(iter(self._salts))]
            self._salts[day] = salt
        return salt
