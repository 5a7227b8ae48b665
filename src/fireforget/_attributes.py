"""The CloudEvents attributes that events share or have for themselves, and the lane that follows from them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import msgspec

from fireforget._encode import encode
from fireforget._event import RESERVED_ATTRIBUTES
from fireforget._journal import Binding
from fireforget.errors import AttributeNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_BYTES: Final = 8 * 1024
"""Most bytes of the attributes of an event, encoded: with the largest data they still fit every queue and store."""

_KEY_HASH_MASK: Final = 0xFFFF
_EXTENSION: Final = re.compile(r"[a-z0-9]{1,20}").fullmatch


class Attributes(msgspec.Struct, frozen=True, omit_defaults=True):
    """The CloudEvents attributes that the events of one request share, as JSON members.

    Args:
        correlationid: UUIDv7 of the request.
        sessionid: Whose visit it belongs to.
        requestid: The id that a client or proxy sent.
        traceparent: W3C trace context.
    """

    correlationid: str = ""
    sessionid: str | None = None
    requestid: str | None = None
    traceparent: str | None = None

    def binding(self, extra: bytes = b"") -> Binding:
        """What the journal keeps of them.

        Args:
            extra: Further members of the envelope.

        Raises:
            AttributeNameError: One is no text, or they are too long.
        """
        for name, value in msgspec.structs.asdict(self).items():
            if value is not None and not isinstance(value, str):
                message = f"{name} is a text, not {type(value).__name__}: convert it"
                raise AttributeNameError(message)
        fragment = b",".join(part for part in (encode(self)[1:-1], extra) if part)
        if len(fragment) > MAX_BYTES:
            message = f"the attributes have {len(fragment)} bytes; at most {MAX_BYTES} are accepted"
            raise AttributeNameError(message)
        return Binding(fragment, hash_of((self.sessionid or self.correlationid).encode()))


_SHARED: Final = frozenset(Attributes.__struct_fields__)
_decode: Final = msgspec.json.Decoder(Attributes).decode


def hash_of(key: bytes) -> int:
    """The hash of an ordering key that the lane follows from: the same in every process."""
    return crc32(key) & _KEY_HASH_MASK


def attributes_of(binding: Binding) -> Attributes | None:
    """The attributes that a binding was made of; None outside any request."""
    return _decode(b"{%b}" % binding.fragment) if binding.fragment else None


def alone(
    shared: Attributes | None, given: Mapping[str, Any], chance: Callable[[], float]
) -> tuple[Attributes, Binding]:
    """The attributes of a single event that has some of its own.

    Args:
        shared: Those of its request; None outside any.
        given: Its own. What is None is as if it were not given.
        chance: A number in [0, 1): the lane of an event without an ordering key.

    Raises:
        AttributeNameError: A name or a value cannot be one.
    """
    own = {name: value for name, value in given.items() if value is not None}
    for name, value in own.items():
        if name in RESERVED_ATTRIBUTES:
            message = f"the attribute {name!r} is reserved: the library sets it"
            raise AttributeNameError(message)
        if not _EXTENSION(name) or not isinstance(value, (str, int, bool)):
            message = (
                f"{name[:40]!r} cannot be an attribute: its name has 1 to 20 lower-case letters and digits, its value "
                "is a text, an integer or a boolean"
            )
            raise AttributeNameError(message)
    texts = {name: str(value) for name, value in own.items() if name in _SHARED}
    merged = msgspec.structs.replace(shared or Attributes(), **texts)
    extra = {name: str(own[name]) if name == "subject" else own[name] for name in own.keys() - _SHARED}
    binding = merged.binding(encode(dict(sorted(extra.items())))[1:-1])
    if not (merged.sessionid or merged.correlationid):
        binding.key_hash = int(chance() * (_KEY_HASH_MASK + 1))
    return merged, binding
