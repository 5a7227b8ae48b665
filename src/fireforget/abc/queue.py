"""The queue, and what it can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fireforget.abc.messages import Delivery, Depth, Message, Outcome


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What one queue adapter can do; what is declared here is tested.

    Args:
        max_message_bytes: Largest body in UTF-8 bytes.
        max_batch_messages: Most messages in one `publish`.
        max_batch_bytes: Most bytes of bodies in one `publish`.
        pack_bytes: Bytes that the cloud bills as one request: the size worth packing up to.
        ordered: Messages of one key arrive in the order of their publication, one lease at a time.
        deduplication_seconds: For how long a second message with the same id is dropped; 0 for never.
        delayed_nack: `nack` honours its delay; otherwise what is given back comes again at once.
        max_lease_seconds: Longest lease.
        min_lease_seconds: Shortest lease: who asks for a shorter one gets this one.
    """

    max_message_bytes: int
    max_batch_messages: int
    max_batch_bytes: int
    pack_bytes: int
    ordered: bool
    deduplication_seconds: float
    delayed_nack: bool
    max_lease_seconds: float
    min_lease_seconds: float = 0.0


@runtime_checkable
class Queue(Protocol):
    """Carries messages from the dispatcher to the processor, at least once."""

    @property
    def capabilities(self) -> Capabilities:
        """What this adapter can do. Constant; needs no connection."""
        ...

    @property
    def identity(self) -> str:
        """Which queue this is, without secrets: two adapters of one identity publish to the same place."""
        ...

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Publish a batch within the declared limits; one outcome for each message, in order.

        A message that was delivered is durable, and arrives exactly as it is. A message over the limit is ``refused``
        alone, with the limit in the reason; so is one with an empty body. An empty batch is no error, here and in all
        calls that take several.

        Raises:
            TransientError: Nothing is known of any message: publish all of them again.
        """
        ...

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take up to `limit` messages under a lease of `lease` seconds.

        Waits up to `wait` seconds for the first one; an empty sequence says that none came. What is not settled when
        its lease ends comes again with a higher `attempt`, before any later message of its key. Cancelling the call
        loses no message: what it had taken comes again when its lease ends. Closing the adapter ends the call with
        `ClosedError`. However many consumers there are, each message goes to one of them at a time. While a delivery of
        a key is under lease, an ordered queue hands out no later message of that key to another `receive`; one call may
        return several messages of a key, in order.

        Raises:
            PermanentError: Nobody can hold such a lease: it is not longer than 0, or longer than the longest.
        """
        ...

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle for good. Late (after the lease has ended) or repeated, it does no harm and may have no effect."""
        ...

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """Give back: each comes again after `delay` seconds with a higher `attempt`. Late or repeated, it does nothing.

        While a message is delayed, an ordered queue hands out no later one of its key; earlier ones it does.
        """
        ...

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        """Renew leases to `lease` seconds from now; returns the renewed deliveries, without those already lost.

        From then on a delivery is settled by its renewed form.

        Raises:
            PermanentError: Nobody can hold such a lease.
        """
        ...

    async def depth(self) -> Depth:
        """How full the queue is, as far as the cloud tells; approximate."""
        ...

    async def aclose(self) -> None:
        """Free connections and threads. Idempotent."""
        ...
