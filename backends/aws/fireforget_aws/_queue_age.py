"""How old the oldest message of a queue is: SQS itself does not tell, CloudWatch does, to those who may ask."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from fireforget.adapters import moment
from fireforget.errors import AdapterError, ClosedError
from fireforget_aws._adapter import AwsAdapter

if TYPE_CHECKING:
    from types_aiobotocore_cloudwatch import CloudWatchClient

    from fireforget.abc import Clock
    from fireforget_aws.access import Access

_PERIOD_SECONDS: Final = 60
"""SQS writes its metrics once a minute (SQS, "Available CloudWatch metrics"); asked more often, they are the same."""
_WINDOW: Final = timedelta(minutes=10)
"""How old the last figure may be: a queue that nobody used for six hours has none for up to 15 minutes."""


class QueueAge(AwsAdapter["CloudWatchClient"]):
    """Asks CloudWatch, once a minute at most: a thousand questions cost a cent.

    Args:
        access: How AWS is reached.
        clock: Where time comes from; None for the machine's own.
    """

    service: ClassVar[str] = "cloudwatch"

    def __init__(self, access: Access, clock: Clock | None = None) -> None:
        super().__init__(access, clock)
        self._asked: dict[str, tuple[float, float | None]] = {}

    async def seconds(self, queue: str) -> float | None:
        """Age of the oldest message of the queue that is not settled; None where CloudWatch does not tell."""
        now = self._clock.monotonic()
        asked, age = self._asked.get(queue, (0.0, None))
        if queue in self._asked and now - asked < _PERIOD_SECONDS:
            return age
        try:
            age = await self._call(lambda client: self._ask(client, queue))
        except ClosedError:
            raise
        except AdapterError:  # there is no permission, or no CloudWatch: the depth without an age is good, too
            age = None
        self._asked[queue] = now, age
        return age

    async def _ask(self, client: CloudWatchClient, queue: str) -> float | None:
        now = moment(self._clock.time_ns() // 1000)
        answer = await client.get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName="ApproximateAgeOfOldestMessage",
            Dimensions=[{"Name": "QueueName", "Value": queue}],
            StartTime=now - _WINDOW,
            EndTime=now,
            Period=_PERIOD_SECONDS,
            Statistics=["Maximum"],
        )
        points = answer.get("Datapoints", [])
        return max(points, key=lambda point: point["Timestamp"])["Maximum"] if points else None
