"""A queue of SQS."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget.abc import Delivery, Depth
from fireforget.adapters import DELIVERED, check_lease, judge, moment
from fireforget.errors import PermanentError
from fireforget_aws._errors import translated
from fireforget_aws._limits import ENTRIES, FIFO, LEASE_SECONDS, WAIT_SECONDS, capabilities, dead_name
from fireforget_aws._message_form import SYSTEM_ATTRIBUTES, read_message, write_message
from fireforget_aws._queue_age import QueueAge
from fireforget_aws._queue_layout import queue_findings
from fireforget_aws._sqs import SQSAdapter, delete, hide, send, too_large

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.literals import QueueAttributeNameType
    from types_aiobotocore_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

    from fireforget.abc import Capabilities, Clock, Finding, Message, Outcome
    from fireforget_aws.access import Access

_ANSWER_TRAVELS: Final = timedelta(seconds=1)
"""So long ago, at most, the messages were taken that the answer to a long poll holds; their leases run since then."""

_COUNTS: Final[tuple[QueueAttributeNameType, ...]] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
)


class SQSQueue(SQSAdapter):
    """A FIFO queue, or a standard one, which keeps no order and drops no duplicates.

    The id of a message is its deduplication id, and its key is its group: on a standard queue, too, where SQS shares
    out its consumers fairly by it.

    Args:
        name: The queue's name, which ends in ``.fifo`` where it is one.
        access: How AWS is reached.
        account: Number of the account that owns the queue; None for the caller's own.
        dead: Name of the queue of its dead letters; None for the usual one.
        clock: Where time comes from; None for the machine's own.
    """

    def __init__(
        self,
        name: str,
        access: Access,
        *,
        account: str | None = None,
        dead: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(access, account, clock)
        self._name = name
        self._dead = dead_name(name, dead)
        self._fifo = name.endswith(FIFO)
        self._capabilities = capabilities(name)
        self._age = QueueAge(access, self._clock)
        self._given_back: dict[str, datetime] = {}

    @property
    def capabilities(self) -> Capabilities:
        """What queues of this kind can do."""
        return self._capabilities

    @property
    def identity(self) -> str:
        """The queue's name, and what tells its account and region, as far as it shows without a connection."""
        owner = f"{self._account}/" if self._account else ""
        return f"sqs://{owner}{self._name}?{self._access.identity}"

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Publish a batch, in several calls where its bytes are over the limit of one. See `fireforget.abc.Queue`."""
        self._check_open()
        outcomes = [judge(message, self._capabilities) for message in messages]
        entries = {}
        for index, message in enumerate(messages):
            if outcomes[index] is DELIVERED:
                entry = write_message(message, fifo=self._fifo)
                if refusal := too_large(entry):
                    outcomes[index] = refusal
                else:
                    entries[index] = entry
        if entries:
            batch = tuple(entries.values())
            for index, outcome in zip(entries, await self._call(lambda client: self._send(client, batch)), strict=True):
                outcomes[index] = outcome
        return outcomes

    async def _send(self, client: SQSClient, batch: Sequence[SendMessageBatchRequestEntryTypeDef]) -> list[Outcome]:
        return await send(client, await self._url(client, self._name), batch)

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take up to `limit` messages, ten at most. See `fireforget.abc.Queue`.

        SQS counts whole seconds: the wait is rounded down to them, and the lease up.
        """
        self._check_open()
        check_lease(lease, self._capabilities)
        return await self._call(lambda client: self._receive(client, min(limit, ENTRIES), int(wait), math.ceil(lease)))

    async def _receive(self, client: SQSClient, limit: int, wait: int, lease: int) -> list[Delivery]:
        url = await self._url(client, self._name)
        while True:
            began = self._now()
            answer = await client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=limit,
                WaitTimeSeconds=min(wait, WAIT_SECONDS),
                VisibilityTimeout=lease,
                MessageSystemAttributeNames=SYSTEM_ATTRIBUTES,
                MessageAttributeNames=("All",),
            )
            wait -= WAIT_SECONDS
            if (messages := answer.get("Messages")) or wait <= 0:
                break
        expires_at = max(began, self._now() - _ANSWER_TRAVELS) + timedelta(seconds=lease)
        return [
            Delivery(
                read_message(message),
                int(message["Attributes"]["ApproximateReceiveCount"]),
                message["ReceiptHandle"],
                expires_at,
            )
            for message in messages or ()
        ]

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Delete. See `fireforget.abc.Queue`."""
        self._check_open()
        if deliveries:
            receipts = [delivery.receipt for delivery in deliveries]
            await self._call(lambda client: self._delete(client, receipts))

    async def _delete(self, client: SQSClient, receipts: Sequence[str]) -> None:
        await delete(client, await self._url(client, self._name), receipts)

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """Make visible after `delay` seconds, rounded up, twelve hours at most. See `fireforget.abc.Queue`."""
        self._check_open()
        held = self._held(deliveries)
        if held:
            await self._hide(held, min(math.ceil(max(delay, 0)), LEASE_SECONDS))
            self._given_back |= {delivery.receipt: delivery.expires_at for delivery in held}

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        """Renew leases; SQS gives twelve hours in all. See `fireforget.abc.Queue`."""
        self._check_open()
        check_lease(lease, self._capabilities)
        held = self._held(deliveries)
        if not held:
            return []
        seconds = math.ceil(lease)
        expires_at = self._now() + timedelta(seconds=seconds)
        renewed = await self._hide(held, seconds)
        return [
            msgspec.structs.replace(delivery, expires_at=expires_at)
            for delivery, is_ours in zip(held, renewed, strict=True)
            if is_ours
        ]

    def _held(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those whose lease lives by our clock, and which were not given back here.

        SQS cannot be asked: of a message that is delayed it takes the old receipt handle still, and a standard queue
        may take those of earlier deliveries.
        """
        now = self._now()
        while self._given_back and next(iter(self._given_back.values())) <= now:
            del self._given_back[next(iter(self._given_back))]
        return [each for each in deliveries if each.expires_at > now and each.receipt not in self._given_back]

    async def _hide(self, deliveries: Sequence[Delivery], seconds: int) -> list[bool]:
        async def work(client: SQSClient) -> list[bool]:
            url = await self._url(client, self._name)
            return await hide(client, url, [delivery.receipt for delivery in deliveries], seconds)

        return await self._call(work)

    async def depth(self) -> Depth:
        """What SQS counts, within about a minute; the age of the oldest message where CloudWatch may be asked."""
        visible, in_flight, dead = await self._call(self._count)
        return Depth(visible, in_flight, dead, await self._age.seconds(self._name))

    async def _count(self, client: SQSClient) -> tuple[int, int, int | None]:
        ready, delayed, in_flight = await self._counts(client, self._name)
        try:
            with translated():
                dead = sum(await self._counts(client, self._dead))
        except PermanentError:  # there is no such queue, or it is not ours to see
            return ready + delayed, in_flight, None
        return ready + delayed, in_flight, dead

    async def _counts(self, client: SQSClient, name: str) -> list[int]:
        url = await self._url(client, name)
        told = (await client.get_queue_attributes(QueueUrl=url, AttributeNames=_COUNTS))["Attributes"]
        return [int(told.get(count, 0)) for count in _COUNTS]

    async def check(self) -> Sequence[Finding]:
        """Look whether the queue is there, and laid out so that nothing dies of an outage. See `Checkable`."""
        return await self._call(self._check)

    async def _check(self, client: SQSClient) -> list[Finding]:
        url = await self._url(client, self._name)
        told = (await client.get_queue_attributes(QueueUrl=url, AttributeNames=("All",)))["Attributes"]
        return queue_findings(self._name, self._dead, told)

    async def aclose(self) -> None:
        """End the calls under way with `ClosedError`, and free the connections. Idempotent."""
        await super().aclose()
        await self._age.aclose()

    def _now(self) -> datetime:
        return moment(self._clock.time_ns() // 1000)
