"""Data to JSON: what is coerced, and what is refused."""

import array
import collections
import dataclasses
import enum
import json
import pathlib
import types
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn

import msgspec
import numpy as np
import pytest

from fireforget._encode import MAX_DEPTH, SAFE_BYTES, check_depth, encode, encode_slowly
from fireforget.errors import UnserializableError


class Colour(enum.Enum):
    RED = "red"


class Point(msgspec.Struct):
    x: int


@dataclasses.dataclass
class Size:
    height: int


class Model:
    """As pydantic's are."""

    def model_dump(self) -> dict[str, str]:
        return {"name": "a"}


class Text(str):
    """As markupsafe's and Django's safe strings are."""

    __slots__ = ()


class Number(int):
    pass


class Ratio(float):
    pass


class Blob(bytes):
    pass


class Pairs(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        return {"a": 1}[key]

    def __iter__(self) -> Iterator[str]:
        yield "a"

    def __len__(self) -> int:
        return 1


def both(value: Any) -> list[Any]:
    """What the fast path and the slow path make of it."""
    return [json.loads(encode({"v": value}))["v"], json.loads(encode_slowly({"v": value}))["v"]]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("grüße", "grüße"),
        (True, True),
        (None, None),
        (2**100, 2**100),
        (0.5, 0.5),
        ((1, 2), [1, 2]),
        ({3}, [3]),
        (datetime(2026, 3, 4, tzinfo=UTC), "2026-03-04T00:00:00Z"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.50"), "1.50"),
        (Colour.RED, "red"),
        (b"ab", "YWI="),
        (Size(3), {"height": 3}),
        (Point(4), {"x": 4}),
    ],
)
def test_what_msgspec_knows_is_encoded_its_way(value: object, expected: object) -> None:
    assert both(value) == [expected, expected]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), np.float32("nan")])
def test_numbers_that_json_lacks_become_null(value: float) -> None:
    assert both(value) == [None, None]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (ValueError("no"), "ValueError: no"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.float64(0.25), 0.25),
        (np.int64(7), 7),
        (array.array("i", [1, 2]), [1, 2]),
        (Model(), {"name": "a"}),
        (Pairs(), {"a": 1}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (collections.UserDict({"a": 1}), {"a": 1}),
        (collections.deque([1, 2]), [1, 2]),
        (range(3), [0, 1, 2]),
        ({"a": 1}.keys(), ["a"]),
        (collections.deque([Pairs()]), [{"a": 1}]),
    ],
)
def test_other_data_follows_the_rules_of_coercion(value: object, expected: object) -> None:
    assert both(value) == [expected, expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(Text("safe"), "safe"), (Number(7), 7), (Ratio(0.5), 0.5), (Blob(b"ab"), "YWI="), (np.str_("a"), "a")],
)
def test_a_subclass_of_a_plain_type_is_that_type(value: object, expected: object) -> None:
    assert both(value) == [expected, expected]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({1: "a", 2.5: "b"}, {"1": "a", "2.5": "b"}),
        ({None: 1}, {"None": 1}),
        ({(1, 2): 1}, {"(1, 2)": 1}),
        ({"a": {None: {True: 2}}}, {"a": {"None": {"True": 2}}}),
        ({frozenset({1}): 1, "b": 2}, {"frozenset({1})": 1, "b": 2}),
        ({None: 1, b"\xff": 2}, {"None": 1, "\N{REPLACEMENT CHARACTER}": 2}),
    ],
)
def test_a_key_that_is_no_string_becomes_its_text(data: dict[Any, Any], expected: object) -> None:
    assert json.loads(encode_slowly(data)) == expected


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    data = {"a\ud800": ["b\udfff", {"c": "\ud83d\ude00"}]}

    encoded = json.loads(encode_slowly(data))

    assert encoded == {"a\ufffd": ["b\ufffd", {"c": "\ufffd\ufffd"}]}


class Hostile:
    """Has everything that the rules look at, and raises at it."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def tolist(self) -> NoReturn:
        raise self._error

    def __iter__(self) -> NoReturn:
        raise self._error

    def __len__(self) -> NoReturn:
        raise self._error

    def __repr__(self) -> NoReturn:
        raise self._error


class Unspeakable(Exception):
    """Cannot even be told of."""

    def __str__(self) -> NoReturn:
        raise self


class Opaque:
    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(name)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Opaque(),
        lambda: 1,
        (number for number in (1, 2)),
        1j,
        Hostile(ValueError("no")),
        Hostile(KeyError()),
        Hostile(RecursionError()),
        Hostile(Unspeakable()),
        Unspeakable(),
        collections.UserString("a"),
        Hostile,
    ],
)
def test_what_has_no_json_form_is_refused_with_the_reason(value: object) -> None:
    with pytest.raises(UnserializableError) as caught:
        encode_slowly({"v": value})

    assert str(caught.value)


class Fickle:
    """An object whose `model_dump` makes another one of its kind."""

    def model_dump(self) -> "Fickle":
        return Fickle()


def test_an_object_that_never_becomes_plain_is_refused() -> None:
    with pytest.raises(UnserializableError):
        encode_slowly({"v": Fickle()})


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_a_list_that_contains_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    circle.append(circle)

    with pytest.raises(UnserializableError, match="or contains itself"):
        encode_slowly({"v": circle})


def test_a_mapping_that_contains_itself_is_refused() -> None:
    circle: dict[str, Any] = {}
    circle["me"] = circle

    with pytest.raises(UnserializableError, match="or contains itself"):
        encode_slowly(circle)


def test_nesting_up_to_the_limit_is_accepted() -> None:
    check_depth(encode(nested(MAX_DEPTH)))


def test_nesting_beyond_the_limit_is_refused() -> None:
    with pytest.raises(UnserializableError, match=f"nests deeper than {MAX_DEPTH} levels"):
        check_depth(encode(nested(MAX_DEPTH + 1)))


def test_brackets_inside_texts_are_no_nesting() -> None:
    check_depth(encode({'"[{\\': "[{" * 1000, "b": '\\"[' * 1000}))


def test_many_brackets_side_by_side_are_no_nesting() -> None:
    check_depth(encode({"v": [[{}] for _ in range(1000)]}))


def test_a_text_that_is_not_checked_cannot_nest_too_deeply() -> None:
    assert len(encode(nested(MAX_DEPTH))) == SAFE_BYTES
