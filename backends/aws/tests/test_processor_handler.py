"""The function behind the queue: what it takes, what it answers, and what it keeps."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest

from fireforget._backends import Roles
from fireforget._clock import SystemClock
from fireforget._configuration import settings_from
from fireforget._hooks import Hooks
from fireforget._schema import shared_types
from fireforget.errors import SettingsError, TransientError
from fireforget.local.memory import MemoryDeadLetters, MemoryQueue, MemoryStore
from fireforget.processing import Function, make_function
from fireforget_aws.handlers.processor import ProcessorHandler
from tests.counterparts.aws import NOWHERE
from tests.counterparts.invocations import Invoked, event_of, failures, record
from tests.pipeline import Bench, broken, event, message, unused_name, uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fireforget.abc import Delivery, Event
    from fireforget.processing import Enricher


class Queue(MemoryQueue):
    """Keeps an order or none, and notes what is given back."""

    def __init__(self, *, ordered: bool) -> None:
        super().__init__(unused_name())
        self.capabilities = msgspec.structs.replace(self.capabilities, ordered=ordered)
        self.nacked: list[tuple[str, bool]] = []

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        self.nacked += [(delivery.receipt, delay > 0) for delivery in deliveries]


class Place:
    """A handler with its adapters."""

    def __init__(self, *enrichers: Enricher, ordered: bool = True) -> None:
        self.bench = Bench(*enrichers)
        self.queue = Queue(ordered=ordered)
        self.made = 0
        self.trouble: Exception | None = None
        self.handler = ProcessorHandler(self.make)

    def make(self) -> Function:
        if self.trouble is not None:
            raise self.trouble
        self.made += 1
        roles = Roles(self.queue, self.bench.letters, self.bench.store)
        return Function(roles, self.bench.processor, 4, Hooks(), SystemClock())

    def __call__(self, *records: dict[str, Any], seconds: float = 30.0) -> list[str]:
        return failures(self.handler(event_of(*records), Invoked(seconds)))


@pytest.fixture
def new_place() -> Iterator[Callable[..., Place]]:
    made: list[Place] = []

    def new(*enrichers: Enricher, ordered: bool = True) -> Place:
        made.append(Place(*enrichers, ordered=ordered))
        return made[-1]

    yield new
    for place in made:
        place.handler.close()


@pytest.fixture
def place(new_place: Callable[..., Place]) -> Place:
    return new_place()


def in_lanes(*lanes: str, **more: Any) -> list[dict[str, Any]]:
    return [record(message(event(n), key=key, id_=f"{key}{n}"), **more) for n, key in enumerate(lanes, 1)]


def test_what_is_done_is_not_named(place: Place) -> None:
    assert place(record(message(event(1), event(2), broken(3), key="a")), record(message(event(4), key="b"))) == []

    assert sorted(place.bench.store.ids) == [uuid(1), uuid(2), uuid(4)]
    ((letter, reason),) = place.bench.buried
    assert (letter.id, letter.key) == (uuid(3), "a")
    assert "not a CloudEvent" in reason


def test_of_a_fifo_queue_what_failed_is_named_with_what_is_behind_it_in_its_group(place: Place) -> None:
    place.bench.store.failure = lambda record: ValueError("no") if record.event.id == uuid(2) else None

    assert place(*in_lanes("a", "a", "b", "a", "b")) == ["sqs-a2", "sqs-a4"]
    assert sorted(place.bench.store.ids) == [uuid(1), uuid(3), uuid(5)]
    assert place.queue.nacked == [("receipt-a2", True), ("receipt-a4", True)]


def test_of_a_standard_queue_only_what_failed_is_named(new_place: Callable[..., Place]) -> None:
    place = new_place(ordered=False)
    place.bench.store.failure = lambda record: ValueError("no") if record.event.id == uuid(2) else None

    assert place(*in_lanes("a", "a", "b", "a", "b", fifo=False)) == ["sqs-a2"]


def test_the_attempt_is_what_sqs_counted(place: Place) -> None:
    place.bench.store.failure = lambda record: ValueError("always") if record.event.id == uuid(1) else None

    assert place(*in_lanes("a", "b", attempt=4)) == ["sqs-a1"]
    assert place(*in_lanes("a", "b", attempt=5)) == []
    assert [letter.id for letter, _ in place.bench.buried] == [uuid(1)]


def test_a_message_that_came_twice_is_named_once(place: Place) -> None:
    place.bench.store.failure = lambda record: TransientError("down")

    assert place(*in_lanes("a") * 2) == ["sqs-a1"]


def test_no_records_are_no_failure(place: Place) -> None:
    assert place() == []


@pytest.mark.parametrize("wrong", [{"key1": "value1"}, {}, None, [], "text", {"Records": None}, {"Records": {"a": 1}}])
def test_another_event_is_refused_with_the_mend(place: Place, wrong: object) -> None:
    with pytest.raises(SettingsError, match="make an SQS queue its event source"):
        place.handler(wrong, Invoked())


@pytest.mark.parametrize("wrong", [{}, {"messageId": ""}, {"messageId": 7}, None, "text"])
def test_what_cannot_be_settled_makes_all_of_it_come_again(place: Place, wrong: Any) -> None:
    with pytest.raises(SettingsError, match="messageId"):
        place(*in_lanes("a"), wrong)

    assert place.bench.store.ids == []


@pytest.mark.parametrize(
    "changes",
    [
        {"body": None},
        {"body": ""},
        {"body": 5, "attributes": None, "messageAttributes": "none", "receiptHandle": None},
        {"body": "no JSON"},
    ],
)
def test_a_record_that_is_no_message_of_ours_becomes_a_dead_letter(place: Place, changes: dict[str, Any]) -> None:
    wrong = in_lanes("a")[0] | changes

    assert place(wrong, *in_lanes("b", "c")) == []
    ((letter, reason),) = place.bench.buried
    assert letter.body == "no JSON" or json.loads(letter.body) == [wrong]
    assert letter.id
    assert reason
    assert len(place.bench.store.ids) == 2


def test_odd_attributes_are_passed_over(place: Place) -> None:
    odd = in_lanes("a")[0]
    odd["messageAttributes"] = {
        "ff.count": {"binaryValue": "AA==", "dataType": "Binary"},
        "ff.key": "text",
        "theirs": {"stringValue": "kept", "dataType": "String"},
    }
    odd["attributes"]["ApproximateReceiveCount"] = "many"

    assert place(odd) == []
    assert place.bench.store.ids == [uuid(1)]


async def forever(event: Event) -> Event:
    if event.id == uuid(1):
        await anyio.sleep_forever()
    return event


def test_what_is_not_done_before_the_end_is_named_and_the_rest_is_done(new_place: Callable[..., Place]) -> None:
    place = new_place(forever)

    assert place(*in_lanes("a", "b", "a", "c"), seconds=0.05) == ["sqs-a1", "sqs-a3"]
    assert place.bench.store.ids == [uuid(2), uuid(4)]


def test_loop_and_adapters_are_kept_for_all_invocations(new_place: Callable[..., Place]) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def note(event: Event) -> Event:
        loops.append(asyncio.get_running_loop())
        return event

    place = new_place(note)
    for _ in range(3):
        assert place(*in_lanes("a")) == []

    assert place.made == 1
    assert loops[0] is loops[1] is loops[2]


def test_what_the_first_invocation_needs_is_made_ahead(account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word to the service."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)
    settings = settings_from({"queue": f"memory://{unused_name()}", "store": "dynamodb://shop"})
    made: list[Function] = []

    def make() -> Function:
        made.append(make_function(settings))
        return made[-1]

    handler = ProcessorHandler(make)
    handler.prepare()
    (function,) = made
    store: Any = function._roles.store
    client = store._client
    handler(event_of(*in_lanes("a")), Invoked())

    assert client is store._client is not None
    assert made == [function]
    handler.close()


def test_what_cannot_be_made_ahead_is_said_when_a_batch_comes(place: Place) -> None:
    place.trouble = SettingsError("unset it")
    place.handler.prepare()

    with pytest.raises(SettingsError, match="unset it"):
        place(*in_lanes("a"))


def test_what_cannot_be_made_is_said_and_tried_again(place: Place) -> None:
    place.trouble = SettingsError("unset it")
    for _ in range(2):
        with pytest.raises(SettingsError, match="unset it"):
            place(*in_lanes("a"))

    place.trouble = None
    assert place(*in_lanes("a")) == []


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module with an event type and an enricher, named as users name it."""
    (tmp_path / "lambda_plugin.py").write_text(
        "import msgspec\n"
        "from fireforget import event_type\n"
        "@event_type('lambda.order')\n"
        "class Order(msgspec.Struct):\n"
        "    total: int\n"
        "async def mark(event):\n"
        "    return msgspec.structs.replace(event, data={**event.data, 'marked': True})\n"
        "enrichers = [mark]\n"
    )
    name = unused_name()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    for variable, value in {
        "QUEUE": f"memory://{name}",
        "STORE": f"memory://{name}",
        "PLUGIN": "lambda_plugin",
    }.items():
        monkeypatch.setenv(f"FIREFORGET_{variable}", value)
    yield name
    shared_types._by_name.pop("lambda.order", None)


def test_event_types_and_enrichers_come_from_the_module_that_one_variable_names(plugin: str) -> None:
    store, letters = MemoryStore(plugin), MemoryDeadLetters(plugin)  # which outlive the handler's own
    handler = ProcessorHandler()
    right = event(1, type="lambda.order", data={"total": 3})
    wrong = event(2, type="lambda.order", data={"total": "three"})

    assert failures(handler(event_of(record(message(right, wrong))), Invoked())) == []
    handler.close()

    [(text, _)] = store._shelf.events.values()
    assert json.loads(text)["data"] == {"total": 3, "marked": True}
    assert list(letters._messages.dead) == [uuid(2)]
