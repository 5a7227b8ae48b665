"""The records of an event of SQS as deliveries, and the answer that settles them.

Lambda writes the names of a received message in another way than SQS does; the form of a message is the queue's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from fireforget.abc import Delivery
from fireforget.errors import SettingsError
from fireforget_aws._message_form import read_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from types_aiobotocore_sqs.type_defs import MessageTypeDef

    from fireforget.processing import Verdict

_MEND: Final = (
    "make an SQS queue its event source; in the console, test it with the template 'SQS', or send the queue a message"
)


class Records(msgspec.Struct, frozen=True):
    """What one invocation got.

    Args:
        ids: The message ids, by which Lambda settles; in order.
        deliveries: What they carry.
    """

    ids: list[str]
    deliveries: list[Delivery]

    def answer(self, verdicts: Iterable[Verdict]) -> dict[str, Any]:
        """The partial batch response: Lambda deletes from the queue what it does not name."""
        back = {id_: None for id_, verdict in zip(self.ids, verdicts, strict=True) if verdict.status == "retry"}
        return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in back]}


def read_records(event: object, until: datetime) -> Records:
    """Read an event of SQS.

    A record without a body becomes a message whose body is the record, so that it is not lost: that is no event,
    and goes to the dead letters as it came.

    Args:
        event: What Lambda hands over.
        until: When the invocation ends, and its right to settle with it.

    Raises:
        SettingsError: It is no event of SQS, or a record has no id by which it could be settled.
    """
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list):
        message = f"this function takes messages of SQS, and the event has no list of 'Records': {_MEND}"
        raise SettingsError(message)
    ids = [_id_of(record) for record in records]
    return Records(ids, [_delivery(record, until) for record in records])


def _id_of(record: object) -> str:
    id_ = record.get("messageId") if isinstance(record, dict) else None
    if not (isinstance(id_, str) and id_):
        message = f"this function takes messages of SQS, and a record has no 'messageId': {_MEND}"
        raise SettingsError(message)
    return id_


def _delivery(record: dict[str, Any], until: datetime) -> Delivery:
    system = _table(record.get("attributes"))
    count = str(system.get("ApproximateReceiveCount", ""))
    receipt = record.get("receiptHandle")
    return Delivery(
        read_message(_received(record, system)),
        attempt=int(count) if count.isdecimal() else 1,
        receipt=receipt if isinstance(receipt, str) else "",
        expires_at=until,
    )


def _received(record: dict[str, Any], system: Mapping[str, Any]) -> MessageTypeDef:
    """The record as SQS itself would have handed it out."""
    body = record.get("body")
    attributes: dict[str, Any] = {
        name: {"DataType": str(value.get("dataType", "")), "StringValue": value["stringValue"]}
        for name, value in _table(record.get("messageAttributes")).items()
        if isinstance(value, dict) and isinstance(value.get("stringValue"), str)
    }
    received: dict[str, Any] = {
        "MessageId": record["messageId"],
        "Body": body if isinstance(body, str) and body else json.dumps(record, default=str),
        "Attributes": {name: value for name, value in system.items() if isinstance(value, str)},
        "MessageAttributes": attributes,
    }
    return cast("MessageTypeDef", received)


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
