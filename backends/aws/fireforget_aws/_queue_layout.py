"""How a queue and the one of its dead letters are laid out: made so where they are missing, and looked at."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fireforget.abc import Finding, Step
from fireforget.errors import PermanentError
from fireforget_aws._limits import FIFO, LEASE_SECONDS, MESSAGE_BYTES, WAIT_SECONDS, dead_name
from fireforget_aws._sqs import SQSAdapter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.literals import QueueAttributeNameType

    from fireforget_aws.access import Access

_RETENTION_SECONDS: Final = 14 * 24 * 3600
"""The longest that SQS keeps a message: nobody's holiday may cost an event."""
_VISIBILITY_SECONDS: Final = 180
"""Six times the 30 seconds of a function, as Lambda asks for; a worker names its own at each receive."""
_MOST_RECEIVES: Final = 1000
"""The most that SQS takes. A worker receives a message up to 720 times in twelve hours of outage, and those must not
kill it; what is poison, the processor finds out long before."""
_ENOUGH_RECEIVES: Final = 720
_SHORT_SECONDS: Final = 30
"""A consumer that names no visibility timeout of its own has less time than this hardly ever."""

_MISSING: Final = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_MADE_MEANWHILE: Final = frozenset({"QueueAlreadyExists", "QueueNameExists"})


def queue_attributes(name: str) -> dict[QueueAttributeNameType, str]:
    """The attributes of a queue, or of one for dead letters, as the service takes them."""
    attributes: dict[QueueAttributeNameType, str] = {
        "MaximumMessageSize": str(MESSAGE_BYTES),
        "MessageRetentionPeriod": str(_RETENTION_SECONDS),
        "ReceiveMessageWaitTimeSeconds": str(WAIT_SECONDS),
        "VisibilityTimeout": str(_VISIBILITY_SECONDS),
    }
    if name.endswith(FIFO):  # the high throughput mode: lanes are groups, and none waits for another
        attributes |= {
            "DeduplicationScope": "messageGroup",
            "FifoQueue": "true",
            "FifoThroughputLimit": "perMessageGroupId",
        }
    return attributes


def redrive_policy(dead_arn: str) -> str:
    """What sends a message to the dead letters that kills whoever processes it: the last resort."""
    return msgspec.json.encode({"deadLetterTargetArn": dead_arn, "maxReceiveCount": _MOST_RECEIVES}).decode()


async def missing_queues(
    name: str, access: Access, *, dead: str | None = None, account: str | None = None
) -> list[Step]:
    """What is missing of a queue with its dead letters, in the order in which it has to be made.

    Args:
        name: The queue.
        access: How AWS is reached.
        dead: The queue of its dead letters; None for the usual one.
        account: Number of the account that owns them; None for the caller's own.

    Raises:
        AdapterError: What is there cannot be seen, or it is another account's to make.
    """
    async with aclosing(_Layout(name, access, dead, account)) as layout:
        return await layout.plan()


class _Layout(SQSAdapter):
    """Looks what is there, and makes what is not."""

    def __init__(self, name: str, access: Access, dead: str | None, account: str | None) -> None:
        super().__init__(access, account)
        self._name = name
        self._dead = dead_name(name, dead)

    async def plan(self) -> list[Step]:
        """What is missing."""
        here = {name: await self._call(partial(self._look, name)) for name in (self._dead, self._name)}
        missing = [name for name, attributes in here.items() if attributes is None]
        if missing and self._account:
            raise PermanentError(f"there is no queue {missing[0]} in the account {self._account}: have it made there")
        steps: list[Step] = []
        if here[self._dead] is None:
            steps.append(self._step(f"make the queue {self._dead}, for dead letters", _Layout._make_dead))
        attributes = here[self._name]
        if attributes is None:
            steps.append(self._step(f"make the queue {self._name}", _Layout._make))
        elif "RedrivePolicy" not in attributes:
            action = f"send to the queue {self._dead} what the queue {self._name} has delivered {_MOST_RECEIVES} times"
            steps.append(self._step(action, _Layout._connect))
        return steps

    def _step(self, action: str, work: Any) -> Step:
        async def apply() -> None:
            async with aclosing(_Layout(self._name, self._access, self._dead, self._account)) as layout:
                await layout.do(partial(work, layout))

        return Step(action, apply)

    async def do(self, work: Callable[[SQSClient], Awaitable[None]]) -> None:
        """Take one step."""
        await self._call(work)

    async def _look(self, name: str, client: SQSClient) -> Mapping[QueueAttributeNameType, str] | None:
        """The attributes of a queue; None where it is missing."""
        from botocore.exceptions import ClientError

        try:
            url = await self._url(client, name)
            return (await client.get_queue_attributes(QueueUrl=url, AttributeNames=("All",)))["Attributes"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                return None
            raise

    async def _make_dead(self, client: SQSClient) -> None:
        await _create(client, self._dead, queue_attributes(self._dead))

    async def _make(self, client: SQSClient) -> None:
        policy = await self._policy(client)
        await _create(client, self._name, {**queue_attributes(self._name), "RedrivePolicy": policy})

    async def _connect(self, client: SQSClient) -> None:
        policy = await self._policy(client)
        url = await self._url(client, self._name)
        await client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})

    async def _policy(self, client: SQSClient) -> str:
        url = await self._url(client, self._dead)
        told = (await client.get_queue_attributes(QueueUrl=url, AttributeNames=("QueueArn",)))["Attributes"]
        return redrive_policy(told["QueueArn"])


async def _create(client: SQSClient, name: str, attributes: dict[QueueAttributeNameType, str]) -> None:
    from botocore.exceptions import ClientError

    try:
        await client.create_queue(QueueName=name, Attributes=attributes)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code", "").rpartition(".")[2] not in _MADE_MEANWHILE:
            raise


def queue_findings(name: str, dead: str, told: Mapping[QueueAttributeNameType, str]) -> list[Finding]:
    """What the attributes of a queue show of how it will do.

    Args:
        name: The queue.
        dead: The queue where its dead letters are looked for.
        told: Its attributes, as SQS tells them.
    """
    return [
        Finding("queue", "ok", f"the queue {name} is there"),
        _dead_letters_finding(dead, told),
        _visibility_finding(told),
        *_size_finding(told),
        *_throughput_finding(name, told),
    ]


def _dead_letters_finding(dead: str, told: Mapping[QueueAttributeNameType, str]) -> Finding:
    if "RedrivePolicy" not in told:
        text = "the queue has no redrive policy: a message that kills its worker comes again until it expires"
        return Finding("redrive policy", "warning", text, "run 'fireforget provision'")
    policy: dict[str, Any] = msgspec.json.decode(told["RedrivePolicy"])
    target = str(policy.get("deadLetterTargetArn", "")).rpartition(":")[2]
    if target != dead:
        text = f"the redrive policy leads to {target}, and dead letters are looked for in {dead}"
        return Finding("redrive policy", "wrong", text, f"write dead={target} into the URL of the queue")
    count = int(policy.get("maxReceiveCount", 0))
    if count < _ENOUGH_RECEIVES:
        text = f"after {count} deliveries SQS moves a message to {dead}: an outage of the store may do that"
        return Finding("redrive policy", "warning", text, f"make maxReceiveCount {_MOST_RECEIVES}")
    return Finding("redrive policy", "ok", f"after {count} deliveries SQS moves a message to {dead}")


def _visibility_finding(told: Mapping[QueueAttributeNameType, str]) -> Finding:
    seconds = int(told.get("VisibilityTimeout", 0))
    text = f"who names no visibility timeout has {seconds} s for a message"
    if _SHORT_SECONDS <= seconds < LEASE_SECONDS:
        return Finding("visibility timeout", "ok", text)
    return Finding(
        "visibility timeout", "warning", text, "make it six times the timeout of the function that processes the queue"
    )


def _size_finding(told: Mapping[QueueAttributeNameType, str]) -> list[Finding]:
    size = int(told.get("MaximumMessageSize", MESSAGE_BYTES))
    if size >= MESSAGE_BYTES:
        return []
    text = f"the queue takes messages up to {size} bytes, and SQS would let it take {MESSAGE_BYTES}"
    return [Finding("message size", "warning", text, f"make MaximumMessageSize {MESSAGE_BYTES}")]


def _throughput_finding(name: str, told: Mapping[QueueAttributeNameType, str]) -> list[Finding]:
    if not name.endswith(FIFO) or told.get("FifoThroughputLimit") == "perMessageGroupId":
        return []
    mend = "make DeduplicationScope messageGroup and FifoThroughputLimit perMessageGroupId"
    return [Finding("throughput", "warning", "the queue takes 300 calls a second, not more", mend)]
