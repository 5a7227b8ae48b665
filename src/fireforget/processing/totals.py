"""What became of all that a worker took."""

from __future__ import annotations

import msgspec


class Totals(msgspec.Struct, kw_only=True):
    """Counts since the worker was made.

    Args:
        messages: Messages settled for good.
        events: Events in them.
        dead_lettered: Events that went to the dead letters.
        returned: Messages given back, each time.
    """

    messages: int = 0
    events: int = 0
    dead_lettered: int = 0
    returned: int = 0
