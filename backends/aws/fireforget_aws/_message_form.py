"""A message as SQS carries it: the body as it is, and as attributes only what the service's own fields cannot hold.

Attributes count as bytes of the message, so there are few. Ids and keys that do not fit into the service's fields are
represented there by a digest, and bodies with characters that the service refuses travel compressed.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Final

from fireforget.abc import Message
from fireforget_aws._limits import MESSAGE_BYTES

if TYPE_CHECKING:
    from types_aiobotocore_sqs.literals import MessageSystemAttributeNameType
    from types_aiobotocore_sqs.type_defs import (
        MessageAttributeValueOutputTypeDef,
        MessageAttributeValueTypeDef,
        MessageTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

ID: Final = "ff.id"
KEY: Final = "ff.key"
COUNT: Final = "ff.count"
BODY: Final = "ff.body"
_COMPRESSED: Final = "zlib"
_LARGEST_BODY: Final = 2 * MESSAGE_BYTES

SYSTEM_ATTRIBUTES: Final[tuple[MessageSystemAttributeNameType, ...]] = (
    "ApproximateReceiveCount",
    "MessageDeduplicationId",
    "MessageGroupId",
)
"""What a receive has to ask for, so that `read_message` can tell."""

_FITS: Final = re.compile(r"[!-~]{1,128}")
"""What a group id and a deduplication id may be (SQS API, SendMessage)."""
_UNACCEPTED: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no message may hold (SQS API, SendMessage: those of XML 1.0 are allowed)."""


def write_message(
    message: Message, *, fifo: bool, deduplication_id: str | None = None, compressed: bool = False
) -> SendMessageBatchRequestEntryTypeDef:
    """The message as an entry of a batch, which has no id yet.

    Args:
        message: The message.
        fifo: The queue is a FIFO queue; a standard one takes no deduplication id.
        deduplication_id: What the queue is to know it by in place of its own id; one that fits.
        compressed: The body is to be compressed in any case, and not only where SQS does not take it as it is.
    """
    attributes: dict[str, MessageAttributeValueTypeDef] = {}
    group = _fitted(message.key)
    entry: SendMessageBatchRequestEntryTypeDef = {"Id": "", "MessageBody": message.body, "MessageGroupId": group}
    if group != message.key:
        attributes[KEY] = text_attribute(message.key)
    known = deduplication_id or _fitted(message.id)
    if fifo:
        entry["MessageDeduplicationId"] = known
    if not fifo or known != message.id:
        attributes[ID] = text_attribute(message.id)
    if message.count != 1:
        attributes[COUNT] = {"DataType": "Number", "StringValue": str(message.count)}
    if compressed or not message.body or not _accepted(message.body):
        entry["MessageBody"] = b64encode(zlib.compress(message.body.encode("utf-8", "surrogatepass"))).decode()
        attributes[BODY] = {"DataType": "String", "StringValue": _COMPRESSED}
    if attributes:
        entry["MessageAttributes"] = attributes
    return entry


def read_message(received: MessageTypeDef) -> Message:
    """The message of which `write_message` made what was received; of what somebody else sent, the best there is."""
    system = received.get("Attributes", {})
    id_ = system.get("MessageDeduplicationId") or received.get("MessageId", "")
    key = system.get("MessageGroupId", "")
    body = received.get("Body", "")
    attributes = received.get("MessageAttributes")
    if not attributes:
        return Message(id_, key, body)
    return Message(
        read_text(attributes.get(ID), id_),
        read_text(attributes.get(KEY), key),
        _uncompressed(body) if BODY in attributes else body,
        read_number(attributes.get(COUNT), 1),
    )


def message_bytes(entry: SendMessageBatchRequestEntryTypeDef) -> int:
    """How many bytes the service counts."""
    size = _bytes(entry["MessageBody"])
    for name, value in (entry.get("MessageAttributes") or {}).items():
        size += len(name) + len(value["DataType"]) + _bytes(value.get("StringValue", ""))
    return size


def text_attribute(text: str) -> MessageAttributeValueTypeDef:
    """Any text as an attribute: as it stands where the service takes it so, else as JSON."""
    plain = text and text[0] != '"' and _accepted(text)
    return {"DataType": "String", "StringValue": text if plain else json.dumps(text)}


def read_text(attribute: MessageAttributeValueOutputTypeDef | None, otherwise: str) -> str:
    """The text of which `text_attribute` made the attribute."""
    if attribute is None:
        return otherwise
    text = attribute.get("StringValue", "")
    if text[:1] != '"':
        return text
    try:
        return str(json.loads(text))
    except ValueError:
        return text


def read_number(
    attribute: MessageAttributeValueOutputTypeDef | None, otherwise: int, *, most: int = MESSAGE_BYTES
) -> int:
    """The number that the attribute holds, where it is a natural one, and not larger than any of ours."""
    text = "" if attribute is None else attribute.get("StringValue", "")
    number = int(text) if text.isdecimal() and len(text) <= len(str(most)) else most + 1
    return number if number <= most else otherwise


def digest(*parts: str) -> str:
    """What stands for texts that do not fit: the same for the same ones."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _fitted(text: str) -> str:
    return text if _FITS.fullmatch(text) else digest(text)


def _accepted(text: str) -> bool:
    return text.isprintable() or not _UNACCEPTED.search(text)  # the first is quick, and true of nearly all


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _uncompressed(body: str) -> str:
    """The body that was compressed; as it is where somebody else used our attribute for something else.

    A megabyte may be a gigabyte that was compressed, by somebody else, too: no body of ours is as large.
    """
    try:
        unpacking = zlib.decompressobj()
        raw = unpacking.decompress(b64decode(body), _LARGEST_BODY)
        return raw.decode("utf-8", "surrogatepass") if unpacking.eof else body
    except (ValueError, zlib.error):
        return body
