"""What the queue and its dead letters do alike: find their queues, send in batches, and settle in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from fireforget.abc import Outcome
from fireforget.adapters import DELIVERED
from fireforget.errors import AdapterError, TransientError
from fireforget_aws._adapter import AwsAdapter
from fireforget_aws._batches import cut
from fireforget_aws._errors import mendable, of_entry, translated
from fireforget_aws._limits import ENTRIES, MESSAGE_BYTES
from fireforget_aws._message_form import message_bytes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

    from fireforget.abc import Clock
    from fireforget_aws.access import Access

_OF_ONE_MESSAGE: Final = frozenset(
    {
        "AWS.SimpleQueueService.BatchRequestTooLong",
        "BatchRequestTooLong",
        "InvalidMessageContents",
        "InvalidParameterValue",
    }
)
"""Answers to a whole batch of which one message may be the cause: the queue's own `MaximumMessageSize` is one."""

_LOST: Final = frozenset(
    {
        "AWS.SimpleQueueService.MessageNotInflight",
        "InvalidParameterValue",  # a FIFO queue's "the receipt handle has expired", or more than twelve hours in all
        "MessageNotInflight",
        "ReceiptHandleIsInvalid",
    }
)
"""What SQS says of a delivery whose lease has ended, or which was settled."""

_UNSAID: Final = Outcome("retry", "the answer does not say what became of the message: something else gave it")
"""A proxy may answer in place of SQS, and the SDK takes any text for an answer in which nothing failed."""


class SQSAdapter(AwsAdapter["SQSClient"]):
    """Calls SQS.

    Args:
        access: How AWS is reached.
        account: Number of the account that owns the queues; None for the caller's own.
        clock: Where time comes from; None for the machine's own.
    """

    service: ClassVar[str] = "sqs"

    def __init__(self, access: Access, account: str | None = None, clock: Clock | None = None) -> None:
        super().__init__(access, clock)
        self._account = account
        self._urls: dict[str, str] = {}

    async def _url(self, client: SQSClient, name: str) -> str:
        """Where the queue of that name is; asked once."""
        if name not in self._urls:
            owner: dict[str, Any] = {"QueueOwnerAWSAccountId": self._account} if self._account else {}
            self._urls[name] = (await client.get_queue_url(QueueName=name, **owner))["QueueUrl"]
        return self._urls[name]


async def send(client: SQSClient, url: str, entries: Sequence[SendMessageBatchRequestEntryTypeDef]) -> list[Outcome]:
    """Send messages in as many batches as they need; says what became of each.

    After a message that was not taken for now, no later one of its group is sent.

    Raises:
        AdapterError: Nothing is known of any message.
    """
    outcomes: list[Outcome] = []
    held: set[str] = set()
    for part in cut([message_bytes(entry) for entry in entries]):
        batch = entries[part]
        try:
            with translated():
                outcomes += await _send_unless_held(client, url, batch, held)
        except AdapterError as error:
            if not outcomes:
                raise
            hint = error.retry_after if isinstance(error, TransientError) else None
            return outcomes + [Outcome("retry", str(error), hint)] * (len(entries) - len(outcomes))
        held |= {
            entry.get("MessageGroupId", "")
            for entry, outcome in zip(batch, outcomes[part], strict=True)
            if outcome.status == "retry"
        }
    return outcomes


async def _send_unless_held(
    client: SQSClient, url: str, batch: Sequence[SendMessageBatchRequestEntryTypeDef], held: set[str]
) -> list[Outcome]:
    if not held:
        return await _send_batch(client, url, batch)
    waiting = Outcome("retry", "an earlier message of its key was not taken")
    free = [entry for entry in batch if entry.get("MessageGroupId", "") not in held]
    sent = iter(await _send_batch(client, url, free) if free else ())
    return [waiting if entry.get("MessageGroupId", "") in held else next(sent) for entry in batch]


async def _send_batch(
    client: SQSClient, url: str, batch: Sequence[SendMessageBatchRequestEntryTypeDef]
) -> list[Outcome]:
    from botocore.exceptions import ClientError

    for number, entry in enumerate(batch):
        entry["Id"] = str(number)
    try:
        answer = await client.send_message_batch(QueueUrl=url, Entries=batch)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _OF_ONE_MESSAGE:
            raise
        if len(batch) == 1:
            return [Outcome("refused", str(error))]
        return [outcome for entry in batch for outcome in await _send_batch(client, url, [entry])]
    known = dict.fromkeys(_successful(answer), DELIVERED)
    known |= {entry["Id"]: _failed(entry) for entry in answer.get("Failed") or ()}
    return [known.get(entry["Id"], _UNSAID) for entry in batch]


def _successful(answer: Mapping[str, Any]) -> Iterator[str]:
    """The ids of the entries that SQS says were done. What it does not speak of may not have been."""
    return (entry["Id"] for entry in answer.get("Successful") or ())


def _failed(entry: Mapping[str, Any]) -> Outcome:
    """What became of a message that was not taken: refused only where nobody can mend it."""
    error = of_entry(entry)
    later = isinstance(error, TransientError) or mendable(entry["Code"])
    return Outcome("retry" if later else "refused", str(error))


def too_large(entry: SendMessageBatchRequestEntryTypeDef) -> Outcome | None:
    """Why no queue takes this message, where that is so."""
    size = message_bytes(entry)
    if size <= MESSAGE_BYTES:
        return None
    return Outcome("refused", f"its {size} bytes, with id and key, are over the limit of {MESSAGE_BYTES} of SQS")


async def settle(
    receipts: Sequence[str], call: Callable[[list[dict[str, Any]]], Awaitable[Mapping[str, Any]]]
) -> list[bool]:
    """Settle deliveries in as many batches as they need.

    Args:
        receipts: The receipt handles.
        call: Makes the call for entries of an id and a receipt handle.

    Returns:
        Of each whether it was done; not, where its lease has ended or it was settled before.

    Raises:
        AdapterError: Some could not be settled for another reason; all others are.
    """
    done: list[bool] = []
    trouble: AdapterError | None = None
    for begin in range(0, len(receipts), ENTRIES):
        part = receipts[begin : begin + ENTRIES]
        answer = await call([{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(part)])
        successful, failed = frozenset(_successful(answer)), answer.get("Failed") or ()
        done += [str(number) in successful for number in range(len(part))]
        for entry in failed:
            if entry["Code"] not in _LOST:
                trouble = trouble or of_entry(entry)
        if len(successful) + len(failed) < len(part):
            trouble = trouble or TransientError(_UNSAID.reason)
    if trouble is not None:
        raise trouble
    return done


async def delete(client: SQSClient, url: str, receipts: Sequence[str]) -> list[bool]:
    """Delete what was received. See `settle`."""

    async def call(entries: list[Any]) -> Mapping[str, Any]:
        return await client.delete_message_batch(QueueUrl=url, Entries=entries)

    return await settle(receipts, call)


async def hide(client: SQSClient, url: str, receipts: Sequence[str], seconds: int) -> list[bool]:
    """Let what was received stay invisible for so many whole seconds from now. See `settle`."""

    async def call(entries: list[Any]) -> Mapping[str, Any]:
        for entry in entries:
            entry["VisibilityTimeout"] = seconds
        return await client.change_message_visibility_batch(QueueUrl=url, Entries=entries)

    return await settle(receipts, call)
