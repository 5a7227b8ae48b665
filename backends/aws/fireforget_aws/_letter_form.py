"""A dead letter as SQS carries it: its message, and beside it the reason, the time and the attempts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from fireforget.abc import DeadLetter
from fireforget.adapters import micros, moment
from fireforget.errors import PermanentError
from fireforget_aws._limits import MESSAGE_BYTES, REASON_BYTES
from fireforget_aws._message_form import (
    KEY,
    SYSTEM_ATTRIBUTES,
    digest,
    message_bytes,
    read_message,
    read_number,
    read_text,
    text_attribute,
    write_message,
)

if TYPE_CHECKING:
    from types_aiobotocore_sqs.literals import MessageSystemAttributeNameType
    from types_aiobotocore_sqs.type_defs import MessageTypeDef, SendMessageBatchRequestEntryTypeDef

_REASON: Final = "ff.reason"
_ATTEMPTS: Final = "ff.attempts"
_TIME: Final = "ff.time"
_MOVED: Final = "ff.moved"
_CUT: Final = " [...]"
_LAST: Final = micros(datetime.max.replace(tzinfo=UTC))
"""The last moment that there is, in microseconds."""

LETTER_ATTRIBUTES: Final[tuple[MessageSystemAttributeNameType, ...]] = (
    *SYSTEM_ATTRIBUTES,
    "DeadLetterQueueSourceArn",
    "SentTimestamp",
)
"""What a receive has to ask for, so that `read_letter` can tell."""


def write_letter(
    letter: DeadLetter, time: int, *, fifo: bool, moved: bool = False
) -> SendMessageBatchRequestEntryTypeDef:
    """The letter as an entry of a batch, which has no id yet.

    A reason that is too long is cut, and a body that leaves no room for one is compressed.

    In a FIFO queue each event has a group of its own, so that no letter waits for another; and whoever writes the
    very same letter again, within five minutes, keeps one.

    Args:
        letter: The letter.
        time: Its time, in microseconds since 1970 UTC.
        fifo: The queue is a FIFO queue.
        moved: SQS itself has moved it here; nobody knows why.

    Raises:
        PermanentError: It is larger than anything that SQS takes.
    """
    message = letter.message
    reason = letter.reason.encode("utf-8", "backslashreplace").decode()
    known = digest(message.id, reason, str(letter.attempts), str(time))
    large = len(message.body.encode("utf-8", "surrogatepass")) > MESSAGE_BYTES - REASON_BYTES
    entry = write_message(message, fifo=fifo, deduplication_id=known, compressed=large)
    attributes = dict(entry.get("MessageAttributes") or {})
    if fifo:
        entry["MessageGroupId"] = digest(message.id)
        attributes[KEY] = text_attribute(message.key)
    attributes[_TIME] = {"DataType": "Number", "StringValue": str(time)}
    attributes[_REASON] = text_attribute(reason)
    if letter.attempts:
        attributes[_ATTEMPTS] = {"DataType": "Number", "StringValue": str(letter.attempts)}
    if moved:
        attributes[_MOVED] = {"DataType": "Number", "StringValue": "1"}
    entry["MessageAttributes"] = attributes
    while (over := message_bytes(entry) - MESSAGE_BYTES) > 0:
        if not reason:
            raise PermanentError(f"the dead letter is {over} bytes over the limit of {MESSAGE_BYTES} of SQS")
        size = len(attributes[_REASON].get("StringValue", "").encode())
        reason = reason[: len(reason) * max(0, size - over - len(_CUT)) // size]
        attributes[_REASON] = text_attribute(reason + _CUT)
    return entry


def read_letter(received: MessageTypeDef) -> DeadLetter:
    """The letter of which `write_letter` made what was received, or which SQS itself has moved here."""
    message = read_message(received)
    attributes = received.get("MessageAttributes") or {}
    system = received.get("Attributes", {})
    sent = int(system.get("SentTimestamp", 0)) * 1000
    return DeadLetter(
        message.id,
        message,
        read_text(attributes.get(_REASON), _unsaid(system.get("DeadLetterQueueSourceArn", ""))),
        moment(read_number(attributes.get(_TIME), sent, most=_LAST)),
        read_number(attributes.get(_ATTEMPTS), 0),
    )


def is_letter(received: MessageTypeDef) -> bool:
    """Whether `write_letter` wrote it."""
    return _REASON in (received.get("MessageAttributes") or {})


def says_why(received: MessageTypeDef) -> bool:
    """Whether somebody gave the reason that it has."""
    return is_letter(received) and _MOVED not in (received.get("MessageAttributes") or {})


def _unsaid(source: str) -> str:
    """The reason of a letter that came without one. How often SQS had delivered it, it no longer tells."""
    if not source:
        return "it came without a reason"
    queue = source.rpartition(":")[2]
    return f"SQS moved it here from {queue}: it was received as often as the redrive policy allows, and never settled"
