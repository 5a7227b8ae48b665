"""Queues on the servers that stand in for AWS: made for one test, and deleted after it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import anyio
from botocore.session import Session

from fireforget.abc import Clock, Message
from fireforget.testing import Place
from fireforget_aws._limits import dead_name
from fireforget_aws._queue_layout import queue_attributes, redrive_policy
from fireforget_aws.access import Access
from fireforget_aws.dead_letters import SQSDeadLetters
from fireforget_aws.queue import SQSQueue
from tests.counterparts.aws import REGION, Counterpart, MovedClock

_numbers = itertools.count()

_ARRIVES_SECONDS = 0.05
"""After which a request has reached the server though its caller was cancelled: before the lease that then passes."""

NOBODY = Access(region=REGION, endpoint="http://127.0.0.1:1")
"""Where nobody listens."""


@dataclass(kw_only=True)
class OnServer(Place):
    """A place on a server whose clock the test moves."""

    moved: MovedClock

    @property
    def time(self) -> Clock:
        return self.moved

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.moved.time_ns() / 1e9, UTC)

    async def pass_time(self, seconds: float) -> None:
        await anyio.sleep(_ARRIVES_SECONDS if seconds > 1 else 0)
        self.moved.advance(seconds)


@cache
def client(counterpart: Counterpart, service: str = "sqs") -> Any:
    """A client of the SDK's own, with which tests look from outside."""
    return Session().create_client(service, region_name=REGION, endpoint_url=counterpart.url)


@contextmanager
def queues(counterpart: Counterpart, ending: str = ".fifo", **attributes: str) -> Iterator[str]:
    """Make a queue with its dead letters as `fireforget provision` does; yields its name.

    Args:
        counterpart: The server.
        ending: ``".fifo"``, or nothing.
        attributes: What the queue has otherwise than usual.
    """
    sqs = client(counterpart)
    name = f"test-{next(_numbers)}{ending}"
    dead = sqs.create_queue(QueueName=dead_name(name), Attributes=queue_attributes(dead_name(name)))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    usual: dict[Any, str] = dict(queue_attributes(name).items())
    own = usual | {"RedrivePolicy": redrive_policy(arn)} | attributes
    url = sqs.create_queue(QueueName=name, Attributes=own)["QueueUrl"]
    try:
        yield name
    finally:
        sqs.delete_queue(QueueUrl=url)
        sqs.delete_queue(QueueUrl=dead)


def access(counterpart: Counterpart) -> Access:
    """How our adapters reach the server."""
    return Access(region=REGION, endpoint=counterpart.url)


def place(counterpart: Counterpart, name: str) -> OnServer:
    """Adapters of one queue, and others that reach nobody."""
    clock = counterpart.clock
    return OnServer(
        queue=lambda: SQSQueue(name, access(counterpart), clock=clock),
        dead_letters=lambda: SQSDeadLetters(name, access(counterpart), clock=clock, look_seconds=0),
        moved=clock,
        unreachable=Place(queue=lambda: SQSQueue(name, NOBODY), dead_letters=lambda: SQSDeadLetters(name, NOBODY)),
    )


def message(name: str) -> Message:
    """A message with the name as its id, which no order binds to others."""
    return Message(name, f"key of {name}", "{}")
