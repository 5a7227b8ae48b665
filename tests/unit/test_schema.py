"""Event types: who may register what, and how old events become new ones."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict

import msgspec
import pytest

from fireforget import Event, EventTypes, SettingsError, event_type, upcaster
from fireforget._event import decode_event, encode_event
from fireforget._schema import shared_types
from fireforget.errors import SchemaError, VersionError


class Query(msgspec.Struct):
    query: str
    limit: int = 10


@dataclass
class Click:
    x: int


class Note(TypedDict):
    text: str


@pytest.fixture
def types() -> EventTypes:
    return EventTypes()


def event(data: dict[str, Any], *, type_: str = "query", version: int | None = None) -> Event:
    schema = None if version is None else f"urn:fireforget:{type_}:{version}"
    time = datetime(2026, 3, 4, tzinfo=UTC)
    return Event(id="1", source="app", type=type_, time=time, data=data, dataschema=schema)


def test_a_registered_class_is_found_by_name_and_by_class(types: EventTypes) -> None:
    types.event_type("query", version=3)(Query)

    known = types.get("query")

    assert known is not None
    assert (known.name, known.version, known.model) == ("query", 3, Query)
    assert known.dataschema == "urn:fireforget:query:3"
    assert types.of(Query) is known
    assert types.get("other") is None
    assert types.of(Click) is None


def test_the_decorator_returns_the_class_itself(types: EventTypes) -> None:
    assert types.event_type("query")(Query) is Query


@pytest.mark.parametrize("name", ["", "1st", "a b", "ä", "a" * 129, "query\n", "a/b"])
def test_a_name_that_cannot_stand_in_an_event_is_refused(types: EventTypes, name: str) -> None:
    with pytest.raises(SchemaError, match="cannot name an event type"):
        types.event_type(name)(Query)


@pytest.mark.parametrize("name", ["q", "_q", "shop.cart-item_added", "a" * 128])
def test_a_name_of_letters_digits_dots_dashes_and_underscores_is_taken(types: EventTypes, name: str) -> None:
    types.event_type(name)(Query)

    assert types.get(name) is not None


def test_two_classes_cannot_share_a_name(types: EventTypes) -> None:
    types.event_type("query")(Query)

    with pytest.raises(SettingsError, match="registered by Query already"):
        types.event_type("query")(Click)


def test_a_module_that_is_imported_again_may_register_again(types: EventTypes) -> None:
    types.event_type("query")(Query)
    types.upcaster("query", version=1)(lambda data: data)
    again = msgspec.defstruct("Query", [("query", str)])
    again.__qualname__ = "Query"

    types.event_type("query", version=2)(again)

    assert types.read(event({"query": "a"}, version=1)) == again("a")


def test_versions_begin_at_1(types: EventTypes) -> None:
    with pytest.raises(SettingsError, match="versions begin at 1"):
        types.event_type("query", version=0)(Query)


def test_an_event_of_version_1_is_read_as_version_2(types: EventTypes) -> None:
    types.event_type("query", version=2)(Query)
    types.upcaster("query", version=1)(lambda data: {"query": data["text"]})
    stored = encode_event(event({"text": "shoes"}, version=1))

    assert types.read(decode_event(stored)) == Query("shoes", 10)


def test_upcasters_follow_each_other_up_to_the_known_version(types: EventTypes) -> None:
    types.upcaster("query", version=2)(lambda data: {**data, "limit": data["limit"] * 2})  # before its type
    types.event_type("query", version=3)(Query)
    types.upcaster("query", version=1)(lambda data: {"query": data["text"], "limit": 5})

    lifted = types.upcast(event({"text": "shoes"}, version=1))

    assert lifted.data == {"query": "shoes", "limit": 10}
    assert lifted.dataschema == "urn:fireforget:query:3"


def test_an_event_that_names_no_version_counts_as_version_1(types: EventTypes) -> None:
    types.event_type("query", version=2)(Query)
    types.upcaster("query", version=1)(lambda data: {"query": data["text"]})

    assert types.upcast(event({"text": "shoes"})).data == {"query": "shoes"}


def test_an_upcaster_cannot_change_the_event_that_it_lifts(types: EventTypes) -> None:
    types.event_type("query", version=2)(Query)

    @types.upcaster("query", version=1)
    def lift(data: dict[str, Any]) -> dict[str, Any]:
        data["query"] = data.pop("text")
        return data

    old = event({"text": "shoes"}, version=1)

    assert types.upcast(old).data == {"query": "shoes"}
    assert old.data == {"text": "shoes"}


def test_an_event_of_the_known_version_is_left_as_it_is(types: EventTypes) -> None:
    types.event_type("query", version=2)(Query)
    current = event({"query": "shoes"}, version=2)

    assert types.upcast(current) is current


def test_an_event_of_an_unknown_type_comes_back_as_its_mapping(types: EventTypes) -> None:
    unknown = event({"a": 1}, type_="other", version=9)

    assert types.upcast(unknown) is unknown
    assert types.read(unknown) == {"a": 1}


def test_an_event_of_a_newer_version_is_told_apart(types: EventTypes) -> None:
    types.event_type("query")(Query)

    with pytest.raises(VersionError, match="version 2 is newer than version 1"):
        types.read(event({}, version=2))


def test_a_missing_upcaster_is_named(types: EventTypes) -> None:
    types.event_type("query", version=3)(Query)
    types.upcaster("query", version=1)(lambda data: data)

    with pytest.raises(SchemaError, match="no upcaster from version 2"):
        types.upcast(event({}, version=1))


def test_an_upcaster_that_raises_is_named(types: EventTypes) -> None:
    types.event_type("query", version=2)(Query)
    types.upcaster("query", version=1)(lambda data: {"query": data["absent"]})

    with pytest.raises(SchemaError, match="upcaster of 'query' from version 1 raised KeyError"):
        types.upcast(event({}, version=1))


def test_an_upcaster_that_returns_no_mapping_is_named(types: EventTypes) -> None:
    types.event_type("query", version=3)(Query)
    types.upcaster("query", version=1)(lambda _: 5)  # type: ignore[type-var]
    types.upcaster("query", version=2)(lambda data: data)

    with pytest.raises(SchemaError):
        types.upcast(event({}, version=1))


@pytest.mark.parametrize(
    "schema", ["urn:fireforget:other:1", "urn:fireforget:query:0", "https://x", "urn:fireforget:query:x"]
)
def test_a_schema_of_another_type_is_refused(types: EventTypes, schema: str) -> None:
    types.event_type("query")(Query)
    foreign = msgspec.structs.replace(event({"query": "a"}), dataschema=schema)

    with pytest.raises(SchemaError, match="does not belong to event type 'query'"):
        types.read(foreign)


@pytest.mark.parametrize(
    ("model", "data", "expected"),
    [
        (Query, {"query": "a", "limit": 3}, Query("a", 3)),
        (Click, {"x": 4}, Click(4)),
        (Note, {"text": "b"}, {"text": "b"}),
    ],
)
def test_structs_dataclasses_and_typed_dicts_describe_data(
    types: EventTypes, model: type, data: dict[str, Any], expected: object
) -> None:
    types.event_type("thing")(model)

    assert types.read(event(data, type_="thing")) == expected


@pytest.mark.parametrize("data", [{}, {"query": 5}, {"query": "a", "limit": "many"}])
def test_data_that_does_not_fit_its_class_is_refused(types: EventTypes, data: dict[str, Any]) -> None:
    types.event_type("query", version=4)(Query)

    with pytest.raises(SchemaError, match="event type 'query' version 4"):
        types.read(event(data, version=4))


def test_a_class_that_refuses_its_own_data_is_a_refusal(types: EventTypes) -> None:
    class Strict(msgspec.Struct):
        x: int

        def __post_init__(self) -> None:
            raise ValueError("never good")

    types.event_type("strict")(Strict)

    with pytest.raises(SchemaError, match="never good"):
        types.read(event({"x": 1}, type_="strict"))


def test_the_functions_of_the_package_share_one_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_types, "_by_name", {})
    monkeypatch.setattr(shared_types, "_by_model", {})

    event_type("shared", version=2)(Query)
    upcaster("shared", version=1)(lambda data: {"query": data["q"]})

    assert shared_types.read(event({"q": "a"}, type_="shared", version=1)) == Query("a")
