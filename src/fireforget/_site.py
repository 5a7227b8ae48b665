"""A site: all processes of a machine that share a journal directory, living, dead and gone."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from fireforget._configuration import load_settings
from fireforget._journal import Counts, Options, totals
from fireforget.errors import JournalError

if TYPE_CHECKING:
    from fireforget._settings import Settings


def site_counts(settings: Settings | None = None) -> Counts:
    """What became of the events of all processes that share the journal directory, those that have ended included.

    At every moment accepted = delivered + pending + dead-lettered + dropped + corrupt. `FireForget.stats` counts those
    of one process. With ``durability = "none"`` nothing is known beyond the process.

    Args:
        settings: The configuration; None to read `fireforget.toml` and the ``FIREFORGET_*`` variables.

    Raises:
        SettingsError: The configuration cannot be used.
        JournalError: A journal cannot be read.
    """
    found = totals((settings if settings is not None else load_settings()).journal_directory)
    if found.unread:
        raise JournalError("; ".join(f"{stranger.path}: {stranger.reason}" for stranger in found.unread))
    return found.counts


def journal_options(settings: Settings) -> Options:
    """How the journals are kept."""
    journal = settings.journal
    return Options(
        segment_bytes=journal.segment_bytes,
        max_bytes=journal.max_bytes,
        overflow=journal.overflow,
        durability=journal.durability,
    )


def queue_digest(identity: str) -> str:
    """What a journal's manifest says of the queue that its events are for."""
    return blake2b(identity.encode(), digest_size=16).hexdigest()
