"""What Lambda hands to a function: events of SQS in Lambda's own form, and a context."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from fireforget_aws._message_form import write_message

if TYPE_CHECKING:
    from fireforget.abc import Message

_numbers = itertools.count(1)


class Invoked:
    """The context of an invocation that has so many seconds left."""

    def __init__(self, seconds: float = 30.0) -> None:
        self.aws_request_id = f"request-{next(_numbers)}"
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


def record(message: Message, *, attempt: int = 1, fifo: bool = True) -> dict[str, Any]:
    """A message as Lambda hands it over."""
    entry = write_message(message, fifo=fifo)
    system = {name: entry[name] for name in ("MessageDeduplicationId", "MessageGroupId") if name in entry}
    return {
        "messageId": f"sqs-{message.id}",
        "receiptHandle": f"receipt-{message.id}",
        "body": entry["MessageBody"],
        "attributes": {"ApproximateReceiveCount": str(attempt), "SentTimestamp": "1772625600000", **system},
        "messageAttributes": {
            name: {"stringValue": value.get("StringValue"), "stringListValues": [], "dataType": value["DataType"]}
            for name, value in entry.get("MessageAttributes", {}).items()
        },
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-2:000000000000:shop.fifo",
        "awsRegion": "eu-west-2",
    }


def event_of(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}


def failures(answer: dict[str, Any]) -> list[str]:
    """The ids that Lambda leaves in the queue."""
    assert list(answer) == ["batchItemFailures"]
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
