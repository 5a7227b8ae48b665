"""The dead-letter file beside the journals: events that the queue refuses for good."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget._journal.locks import lock
from fireforget.abc import DeadLetter, Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from fireforget._clock import Clock

FILE_NAME: Final = "dead-letters.jsonl"

_PATIENCE_SECONDS: Final = 0.1
"""Who appends waits no longer for a lock, for the event loop waits with it."""

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(DeadLetter)


class RefusedFile:
    """One line of JSON for each event, readable with any tool; shared by all processes of a journal directory.

    What it makes is for this user alone.

    Args:
        directory: The directory that holds the journals.
        clock: For the time of each line.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        self.path = directory / FILE_NAME
        self._clock = clock

    def append(self, message: Message, reason: str) -> None:
        """Write one line, durably.

        Raises:
            OSError: The file cannot be written, or another process is just rewriting it.
            JournalError: The file system has no locks.
        """
        now = datetime.fromtimestamp(self._clock.time_ns() / 1e9, UTC)
        line = _encoder.encode(DeadLetter(message.id, message, reason, now)) + b"\n"
        with self._locked(_PATIENCE_SECONDS), open(self.path, "ab+", buffering=0, opener=_private) as file:
            end = file.tell()
            if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
                line = b"\n" + line  # the process that wrote last died midway
            if file.write(line) != len(line):
                file.truncate(end)  # a disk that fills up midway leaves no torn line
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())

    def read(self) -> Iterator[DeadLetter]:
        """Yield the lines in order, each id once; what is torn or damaged is passed over."""
        seen: set[str] = set()
        try:
            lines = self.path.open("rb")
        except FileNotFoundError:
            return
        with lines:
            for line in lines:
                try:
                    letter = _decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue
                if letter.id not in seen:
                    seen.add(letter.id)
                    yield letter

    def remove(self, ids: Iterable[str]) -> int:
        """Rewrite the file without some lines; says how many ids were there."""
        unwanted = set(ids)
        with self._locked(inf):
            letters = list(self.read())
            kept = [letter for letter in letters if letter.id not in unwanted]
            if len(kept) < len(letters):
                temporary = self.path.with_suffix(".tmp")
                with open(temporary, "wb", opener=_private) as file:
                    file.write(b"".join(_encoder.encode(letter) + b"\n" for letter in kept))
                temporary.replace(self.path)
        return len(letters) - len(kept)

    @contextmanager
    def _locked(self, wait: float) -> Iterator[None]:
        """Keep other processes from appending while the file is rewritten."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.path.with_suffix(".lock"), "ab", opener=_private) as file:
            if not lock(file.fileno(), wait=wait):
                raise BlockingIOError(errno.EAGAIN, "another process keeps it locked")
            yield


def _private(path: str, flags: int) -> int:
    """Opens a file; a new one is for this user alone."""
    return os.open(path, flags, 0o600)
