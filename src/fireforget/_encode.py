"""Event data to JSON text, at the moment of `emit`.

What msgspec encodes natively (str, numbers, bool, None, dict, list, tuple, set, datetime, UUID, Decimal, enum, bytes
as base64, dataclasses, Structs, attrs) is encoded so. NaN and the infinities become null, for JSON has no such
numbers. The rest follows these rules of coercion:

- an instance of a subclass of str, int, float or bytes counts as one of that type;
- a path becomes its text, an exception ``"Type: message"``;
- what has `tolist` (NumPy arrays and scalars) or `model_dump` (pydantic) becomes what that returns;
- a mapping that is no dict becomes one, any other iterable with a length a list;
- a key that is no string becomes its text; a lone surrogate in a text becomes U+FFFD.

Anything else is refused, and so is nesting deeper than 128 levels, which every store and every decoder takes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from itertools import accumulate
from typing import Any, Final

import msgspec

from fireforget.errors import TooLargeError, UnserializableError

MAX_DEPTH: Final = 128
"""Deepest nesting of objects and arrays that is accepted; every store and every decoder takes it."""

SAFE_BYTES: Final = 2 * MAX_DEPTH
"""A text up to this long cannot nest deeper than `MAX_DEPTH`: each level takes two bytes."""

_TOO_DEEP: Final = f"the data nests deeper than {MAX_DEPTH} levels, or contains itself"
_LEVELS: Final = dict(zip(b"[]{}", (1, -1, 1, -1), strict=True))
_USUAL_DEPTH: Final = 8
_NO_BRACKETS: Final = bytes(set(range(256)) - _LEVELS.keys())
_BRACE: Final = ord("{")
_NONCHARACTERS: Final = ("\ufffe".encode(), "\uffff".encode())
_ESCAPE_GROWTH: Final = 3
_MOST_PARTS: Final = 1 << 17
"""Characters and values that are looked at one by one: more of them fit no event."""
_SURROGATES: Final = re.compile("[\ud800-\udfff]")

_PLAIN_TYPES: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    ((bytes, bytearray), bytes),
)
"""How an instance of a subclass becomes one of the type itself, whatever the subclass has overridden."""


def _coerce(value: Any) -> Any:
    """Msgspec's hook for what it does not know."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    for name in ("tolist", "model_dump"):
        method = getattr(value, name, None)
        if callable(method) and not isinstance(value, type):
            return method()
    for kind, plain in _PLAIN_TYPES:
        if isinstance(value, kind):
            return plain(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Collection):
        return list(value)
    message = f"a value of type {type(value).__name__} has no JSON form: convert it, or leave it out"
    raise UnserializableError(message)


encode: Final = msgspec.json.Encoder(enc_hook=_coerce).encode
"""The fast path. Raises whatever msgspec or a coerced object raises; `encode_slowly` then has the last word."""


def encode_slowly(data: Any) -> bytes:
    """Encode data that the fast path refused, with odd keys and lone surrogates made harmless.

    Raises:
        UnserializableError: There is no JSON form.
        TooLargeError: There is far too much of it.
    """
    try:
        return encode(_Plain().value(data, 0))
    except (TooLargeError, UnserializableError):
        raise
    except Exception as error:  # a user's object may raise anything from its own methods
        message = f"the data has no JSON form: {_told(error)}"
        raise UnserializableError(message) from error


def encode_within(data: Any, max_bytes: int) -> bytes:
    """Encode the data of an event with care.

    Args:
        data: A mapping, or an object that becomes one.
        max_bytes: Most bytes of the text, noncharacters counted as they are escaped later.

    Raises:
        UnserializableError: There is no JSON form, or it is no object, or it nests too deeply.
        TooLargeError: It is too large.
    """
    try:
        payload = encode(data)
    except Exception:  # noqa: BLE001 - `encode_slowly` decides
        payload = encode_slowly(data)
    if payload[0] != _BRACE:
        message = f"the data of an event is a mapping, not {type(data).__name__}"
        raise UnserializableError(message)
    if not fits(payload, max_bytes):
        size = len(payload) + _ESCAPE_GROWTH * sum(payload.count(character) for character in _NONCHARACTERS)
        if size > max_bytes:
            message = f"the encoded data has {size} bytes; at most {max_bytes} are accepted"
            raise TooLargeError(message)
        check_depth(payload)
    return payload


def fits(payload: bytes, max_bytes: int) -> bool:
    """Is a text certainly neither too large nor too deep? Quick; where it says no, `encode_within` decides."""
    return 2 * len(payload) <= max_bytes and payload.count(b"{") + payload.count(b"[") <= MAX_DEPTH


def _told(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - an exception of the user's, whose own text cannot be had
        return type(error).__name__


def check_depth(encoded: bytes) -> None:
    """Refuse a text that nests too deeply.

    Raises:
        UnserializableError: It is deeper than `MAX_DEPTH`.
    """
    outside = encoded.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2]
    brackets = b"".join(outside).translate(None, _NO_BRACKETS)
    left = brackets
    for _ in range(_USUAL_DEPTH):
        left = left.replace(b"{}", b"").replace(b"[]", b"")  # what holds no other: at least one level less
        if not left:
            return
    if max(accumulate(map(_LEVELS.__getitem__, brackets))) > MAX_DEPTH:
        raise UnserializableError(_TOO_DEEP)


class _Plain:
    """Rebuilds containers with text keys and clean texts, as long as they are not far too large for an event."""

    def __init__(self) -> None:
        self._left = _MOST_PARTS

    def value(self, value: Any, depth: int) -> Any:
        """Rebuild one value.

        Raises:
            UnserializableError: It nests too deeply.
            TooLargeError: There is far too much of it.
        """
        if depth > MAX_DEPTH:
            raise UnserializableError(_TOO_DEEP)
        if isinstance(value, str):
            return self._text(value)
        self._count(1)
        if isinstance(value, Mapping):
            return {self._text(_key(key)): self.value(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(item, depth + 1) for item in value]
        if isinstance(value, (int, float)) or value is None:
            return value
        return self.value(msgspec.to_builtins(value, enc_hook=_coerce, str_keys=True), depth + 1)

    def _text(self, text: str) -> str:
        self._count(len(text))
        return text if text.isascii() else _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)

    def _count(self, parts: int) -> None:
        self._left -= parts
        if self._left < 0:
            message = f"the data has more than {_MOST_PARTS} characters and values: no event may be so large"
            raise TooLargeError(message)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    return str(key)
