"""Event data to JSON text, at the moment of `emit`.

What msgspec encodes natively (str, numbers, bool, None, dict, list, tuple, set, datetime, UUID, Decimal, enum, bytes
as base64, dataclasses, Structs, attrs) is encoded so. NaN and the infinities become null, for JSON has no such
numbers. The rest follows these rules of coercion:

- an instance of a subclass of str, int, float or bytes counts as one of that type;
- a path becomes its text, an exception ``"Type: message"``;
- what has `tolist` (NumPy arrays and scalars) or `model_dump` (pydantic) becomes what that returns;
- a mapping that is no dict becomes one, any other iterable with a length a list;
- a key that is no string becomes its text; a lone surrogate in a text becomes U+FFFD.

Anything else is refused, and so is nesting deeper than `MAX_DEPTH`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec

from fireforget.errors import UnserializableError

MAX_DEPTH: Final = 128
"""Deepest nesting of objects and arrays that is accepted; every store and every decoder takes it."""

SAFE_BYTES: Final = 2 * MAX_DEPTH
"""A text up to this long cannot nest deeper than `MAX_DEPTH`: each level takes two bytes."""

_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKETS: Final = re.compile(rb"[\[\]{}]")
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
    """
    try:
        return encode(_plain(data, 0))
    except UnserializableError:
        raise
    except Exception as error:  # a user's object may raise anything from its own methods
        message = f"the data has no JSON form: {_told(error)}"
        raise UnserializableError(message) from error


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
    if encoded.count(b"{") + encoded.count(b"[") <= MAX_DEPTH:
        return
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", encoded)):
        depth += 1 if bracket in b"{[" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        message = f"the data nests {deepest} levels deep; at most {MAX_DEPTH} are accepted"
        raise UnserializableError(message)


def _plain(value: Any, depth: int) -> Any:
    """Rebuild containers with text keys and clean texts."""
    if depth > MAX_DEPTH:
        message = f"the data nests deeper than {MAX_DEPTH} levels, or contains itself"
        raise UnserializableError(message)
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, Mapping):
        return {_plain(_key(key), 0): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, (int, float)) or value is None:
        return value
    return _plain(msgspec.to_builtins(value, enc_hook=_coerce, str_keys=True), depth + 1)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    return str(key)
