"""What became of the events: the numbers of the law."""

from __future__ import annotations

import msgspec

from fireforget._journal.record import DEAD, DELIVERED


class Tally(msgspec.Struct):
    """Events that are settled, by outcome.

    Args:
        delivered: The queue has them.
        dead: They were given to the dead-letter file.
        dropped: They were given up.
        corrupt: Their bytes were damaged.
    """

    delivered: int = 0
    dead: int = 0
    dropped: int = 0
    corrupt: int = 0

    def count(self, state: int) -> None:
        """Count one event by its last state."""
        if state == DELIVERED:
            self.delivered += 1
        elif state == DEAD:
            self.dead += 1
        else:
            self.dropped += 1

    def add(self, other: Tally) -> None:
        """Add another tally to this one."""
        self.delivered += other.delivered
        self.dead += other.dead
        self.dropped += other.dropped
        self.corrupt += other.corrupt

    @property
    def total(self) -> int:
        """All events of the tally."""
        return self.delivered + self.dead + self.dropped + self.corrupt


class Counts(msgspec.Struct):
    """The counts of one journal, or the sum of several.

    The law: ``accepted == delivered + pending + dead_lettered + sum(dropped.values()) + corrupt``. The other counts lie
    outside of it. How many events stood in a damaged range can only be told by the headers that are left in it, so
    `accepted` is the sum of its parts; as long as nothing is damaged, it is exactly what was appended.

    Args:
        pending: Accepted and not settled.
        delivered: The queue has them.
        dead_lettered: The queue refused them for good.
        dropped: Given up, by reason: ``"overflow"`` (drop_oldest) or ``"discarded"`` (settled so).
        corrupt: Lost to damage.
        recovered: Pending events found in the journal of a dead process, each time they were.
        refused: Not accepted, by reason.
        sampled_out: Not accepted, by sampling.
        filtered: Not accepted, by a hook.
    """

    pending: int = 0
    delivered: int = 0
    dead_lettered: int = 0
    dropped: dict[str, int] = {}
    corrupt: int = 0
    recovered: int = 0
    refused: dict[str, int] = {}
    sampled_out: int = 0
    filtered: int = 0

    def __repr__(self) -> str:
        """All of them, the sum first."""
        rest = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__)
        return f"Counts(accepted={self.accepted}, {rest})"

    @property
    def accepted(self) -> int:
        """Events ever accepted."""
        settled = self.delivered + self.dead_lettered + sum(self.dropped.values()) + self.corrupt
        return settled + self.pending

    def add(self, other: Counts) -> None:
        """Add other counts to these."""
        for name in ("pending", "delivered", "dead_lettered", "corrupt", "recovered", "sampled_out", "filtered"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, number in other.dropped.items():
            self.dropped[reason] = self.dropped.get(reason, 0) + number
        for reason, number in other.refused.items():
            self.refused[reason] = self.refused.get(reason, 0) + number

    def settle(self, tally: Tally, *, dropped: str = "discarded") -> None:
        """Add settled events; those dropped get the reason `dropped`."""
        self.delivered += tally.delivered
        self.dead_lettered += tally.dead
        self.corrupt += tally.corrupt
        if tally.dropped:
            self.dropped[dropped] = self.dropped.get(dropped, 0) + tally.dropped
