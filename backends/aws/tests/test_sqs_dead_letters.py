"""Dead letters that SQS has moved, and operators that look at the same time."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import anyio
import pytest

from fireforget.abc import DeadLetter, DeadLetters, Delivery, Message
from fireforget.errors import ClosedError, PermanentError
from fireforget_aws._limits import dead_name
from fireforget_aws.dead_letters import SQSDeadLetters
from tests.counterparts import sqs
from tests.counterparts.aws import Counterpart

pytestmark = pytest.mark.anyio

MOVED = "SQS moved it here"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=[".fifo", ""], ids=["fifo", "standard"])
def name(ministack: Counterpart, request: pytest.FixtureRequest) -> Iterator[str]:
    with sqs.queues(ministack, request.param) as name:
        yield name


@pytest.fixture
async def place(ministack: Counterpart, name: str) -> AsyncIterator[sqs.OnServer]:
    place = sqs.place(ministack, name)
    yield place
    await place.aclose()


async def letters(dead: DeadLetters) -> list[DeadLetter]:
    return [letter async for letter in dead.list()]


async def let_sqs_move(counterpart: Counterpart, place: sqs.OnServer, name: str, messages: list[Message]) -> None:
    """Publish messages, and receive each until SQS has enough of it."""
    client: Any = sqs.client(counterpart)
    url = client.get_queue_url(QueueName=name)["QueueUrl"]
    policy = client.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    once = policy.replace("1000", "1")
    assert once != policy
    client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": once})
    queue = place.open_queue()
    for begin in range(0, len(messages), 10):
        await queue.publish(messages[begin : begin + 10])
    while await queue.receive(10, wait=0, lease=30):
        await place.pass_time(31)
    client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})


async def test_all_that_sqs_moved_is_listed_with_a_reason(
    ministack: Counterpart, place: sqs.OnServer, name: str
) -> None:
    sent = [Message(f"id {n:02}", f"lane {n % 2}", "{}", count=n + 1) for n in range(45)]
    await let_sqs_move(ministack, place, name, sent)
    dead = place.open_dead_letters()
    for _ in range(3):
        found = await letters(dead)
        assert sorted(found, key=lambda each: each.id) == found
        assert [letter.message for letter in found] == sent
        assert all(letter.reason.startswith(f"{MOVED} from {name}") for letter in found)
        assert {letter.attempts for letter in found} == {0}


async def test_what_sqs_moved_is_redriven_and_discarded(ministack: Counterpart, place: sqs.OnServer, name: str) -> None:
    sent = [Message(f"id {n:02}", "lane", "{}", count=n + 1) for n in range(25)]
    await let_sqs_move(ministack, place, name, sent)
    dead, queue = place.open_dead_letters(), place.open_queue()
    assert await dead.redrive([each.id for each in sent[:20]]) == 20
    assert await dead.discard([each.id for each in sent[20:]]) == 5
    assert await letters(dead) == []
    arrived: list[Delivery] = []
    while deliveries := await queue.receive(10, wait=0, lease=30):
        arrived += deliveries
        await queue.ack(deliveries)
    assert [each.message for each in arrived] == sent[:20]
    assert {each.attempt for each in arrived} == {1}


async def test_who_says_why_is_heard(ministack: Counterpart, place: sqs.OnServer, name: str) -> None:
    poison = Message("poison", "lane", "{}")
    await let_sqs_move(ministack, place, name, [poison])
    dead = place.open_dead_letters()
    await dead.put(poison, "our reason", attempts=5)
    for _ in range(2):
        (letter,) = await letters(dead)
        assert (letter.message, letter.reason, letter.attempts) == (poison, "our reason", 5)
    assert await dead.discard([letter.id]) == 1
    assert await letters(dead) == []


@pytest.mark.parametrize("body", ["", "\x00\x1b", "\ufffe", "lone \ud800"], ids=["empty", "control", "none", "lone"])
async def test_what_no_queue_takes_is_kept(place: sqs.OnServer, body: str) -> None:
    sent = Message("id", "lane", body)
    dead = place.open_dead_letters()
    await dead.put(sent, "a reason")
    (letter,) = await letters(dead)
    assert letter.message == sent


async def test_who_looks_hides_nothing_for_long(place: sqs.OnServer) -> None:
    first, second = place.open_dead_letters(), place.open_dead_letters()
    for number in range(30):
        await first.put(Message(f"{number:02}", "lane", "{}"), "a reason")

    async def look(dead: DeadLetters) -> None:
        for _ in range(3):
            await letters(dead)

    async with anyio.create_task_group() as group:
        group.start_soon(look, first)
        group.start_soon(look, second)
    assert len(await letters(first)) == len(await letters(second)) == 30


async def test_who_gives_up_looking_hides_nothing(place: sqs.OnServer) -> None:
    dead, other = place.open_dead_letters(), place.open_dead_letters()
    for number in range(30):
        await dead.put(Message(f"{number:02}", "lane", "{}"), "a reason")
    async with aclosing(dead.list()) as found:  # type: ignore[type-var] # it is a generator
        async for _ in found:
            break
    assert len(await letters(other)) == 30
    for milliseconds in range(0, 60, 4):
        with anyio.move_on_after(milliseconds / 1000):
            await letters(dead)
        assert len(await letters(dead)) == 30


async def test_closing_hides_nothing(ministack: Counterpart, place: sqs.OnServer, name: str) -> None:
    dead, other = place.open_dead_letters(), place.open_dead_letters()
    for number in range(15):
        await dead.put(Message(f"{number:02}", "lane", "{}"), "a reason")
    patient = SQSDeadLetters(name, sqs.access(ministack), clock=ministack.clock, look_seconds=20)

    async def look() -> None:
        with pytest.raises(ClosedError):
            await letters(patient)

    async with anyio.create_task_group() as group:
        group.start_soon(look)
        with anyio.fail_after(20):
            while await letters(other):  # noqa: ASYNC110 - another adapter has to have taken all of them
                await anyio.sleep(0.01)
        await patient.aclose()
    assert len(await letters(other)) == 15


async def test_a_redrive_that_is_made_again_sends_once(ministack: Counterpart, place: sqs.OnServer, name: str) -> None:
    dead, queue = place.open_dead_letters(), place.open_queue()
    if not queue.capabilities.deduplication_seconds:
        pytest.skip("this queue drops no duplicates")
    await dead.put(Message("a", "lane", "{}"), "a reason")
    for milliseconds in range(0, 40, 2):
        with anyio.move_on_after(milliseconds / 1000):
            await dead.redrive(["a"])
    await dead.redrive(["a"])
    assert await letters(dead) == []
    assert [each.message.id for each in await queue.receive(10, wait=0, lease=30)] == ["a"]


async def test_a_look_waits_for_what_other_servers_hold(ministack: Counterpart, place: sqs.OnServer, name: str) -> None:
    patient = SQSDeadLetters(name, sqs.access(ministack), clock=ministack.clock)
    await patient.put(Message("a", "lane", "{}"), "a reason")
    assert [letter.id for letter in await letters(patient)] == ["a"]
    await patient.aclose()


async def test_without_its_queue_the_mend_is_said(ministack: Counterpart, place: sqs.OnServer, name: str) -> None:
    lost = SQSDeadLetters(name, sqs.access(ministack), dead=f"no-such-{dead_name(name)}")
    with pytest.raises(PermanentError, match="fireforget provision"):
        await letters(lost)
    await lost.aclose()
