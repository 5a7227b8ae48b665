"""The deliveries of one call, and the rule that keeps the order within each lane."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget._event import encode_batch
from fireforget.abc import Message
from fireforget.processing.verdict import ACK, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fireforget.abc import Delivery, Record, Refusal

BEHIND: Final = "an earlier message of its lane went back"

_PRINTABLE: Final = frozenset(map(chr, range(0x21, 0x7F)))
_LONGEST_ID: Final = 128
"""What every cloud takes as the id of a message: so many printable ASCII characters."""


class Parcel:
    """One delivery while it is worked on.

    Attributes:
        texts: The texts of the events that may still be stored.
        records: What the store shall get; in the order of `texts`.
        dead: The messages for the dead letters, with their reasons.
        verdict: Why it goes back; None while nothing speaks against it.
    """

    __slots__ = ("dead", "delivery", "records", "texts", "verdict")

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.texts: list[msgspec.Raw] = []
        self.records: list[Record] = []
        self.dead: list[tuple[Message, str]] = []
        self.verdict: Verdict | None = None

    def bury(self, text: msgspec.Raw | None, reason: str) -> None:
        """Destine one event for the dead letters, as it came, under its own id; None for the whole message."""
        message = self.delivery.message
        if text is not None:
            body = bytes(text).decode()
            message = Message(_event_id(body), message.key, encode_batch([body]))
        self.dead.append((message, reason))

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """Bury the events that the store will never take."""
        reasons = {refusal.event_id: refusal.reason for refusal in refusals}
        pairs = list(zip(self.texts, self.records, strict=True))
        for text, record in pairs:
            if record.event.id in reasons:
                self.bury(text, f"the store refuses it: {reasons[record.event.id]}")
        kept = [pair for pair in pairs if pair[1].event.id not in reasons]
        self.texts = [text for text, _ in kept]
        self.records = [record for _, record in kept]


class Batch:
    """The deliveries of one call, in order.

    A lane is what shares an ordering key. When a delivery goes back, so do the later ones of its lane, and
    only those.

    Args:
        deliveries: What was handed over.
        ordered: There are lanes; else each delivery stands alone.
    """

    def __init__(self, deliveries: Sequence[Delivery], *, ordered: bool = True) -> None:
        self.parcels = [Parcel(delivery) for delivery in deliveries]
        self._ordered = ordered

    def standing(self) -> Iterator[Parcel]:
        """Yield, in order, what does not go back; lazily, so that what fails meanwhile is left out."""
        return (parcel for parcel in self.parcels if parcel.verdict is None)

    def send_back(self, parcel: Parcel, reason: str, retry_after: float | None = None) -> None:
        """Give a delivery back, and with it the later ones of its lane."""
        parcel.verdict = Verdict("retry", reason, retry_after)
        if not self._ordered:
            return
        behind = Verdict("retry", BEHIND, retry_after)
        key = parcel.delivery.message.key
        for later in self.parcels[self.parcels.index(parcel) + 1 :]:
            if later.delivery.message.key == key:
                later.verdict = behind

    def verdicts(self) -> list[Verdict]:
        """One verdict for each delivery, in order."""
        return [parcel.verdict or ACK for parcel in self.parcels]


class _Named(msgspec.Struct):
    """The one attribute that matters where an event cannot be read as a whole."""

    id: str


_name_reader: Final = msgspec.json.Decoder(_Named)


def _event_id(text: str) -> str:
    """The id that an event carries; a digest of its text where that can be no message's id."""
    try:
        own = _name_reader.decode(text).id
    except (msgspec.DecodeError, RecursionError):
        own = ""
    if 0 < len(own) <= _LONGEST_ID and _PRINTABLE.issuperset(own):
        return own
    return blake2b(text.encode(), digest_size=16).hexdigest()
