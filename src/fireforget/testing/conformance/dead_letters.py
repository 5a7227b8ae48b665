"""What every queue's dead letters promise, as tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import anyio
import pytest

from fireforget.abc import Message
from fireforget.testing.conformance.awaits import at_every_await
from fireforget.testing.conformance.closing import ClosingConformance
from fireforget.testing.conformance.on_queue import MANY, OnQueue, apart, message, names

if TYPE_CHECKING:
    from fireforget.abc import DeadLetter, DeadLetters, Queue
    from fireforget.testing.conformance.closing import Calls
    from fireforget.testing.place import Place


async def letters(dead: DeadLetters, *ids: str) -> list[DeadLetter]:
    """All dead letters, or those with the ids."""
    return [letter async for letter in dead.list(ids)]


class DeadLettersConformance(OnQueue, ClosingConformance):
    """All that `fireforget.abc.DeadLetters` promises. Needs a place with `queue` and `dead_letters`."""

    port: ClassVar[str] = "dead_letters"

    async def calls(self, place: Place) -> Calls:  # noqa: ARG002 - other ports need it
        """The calls of dead letters."""
        return {
            "put": lambda it: it.put(message("a"), "a reason"),
            "list": letters,
            "redrive": lambda it: it.redrive(["a"]),
            "discard": lambda it: it.discard(["a"]),
        }

    @pytest.mark.parametrize(
        "body",
        ["0", '"žluťoučký 漢字 🐎"', '"\\ufffe \\uffff"', "not even JSON"],
        ids=["smallest", "non-ascii", "noncharacters", "no json"],
    )
    async def test_a_letter_is_kept_as_it_was(self, dead: DeadLetters, body: str) -> None:
        sent = Message(id="id-1", key="Schlüssel/1", body=body, count=7)
        await dead.put(sent, "línea uno\n  línea dos", attempts=5)
        (letter,) = await letters(dead)
        assert letter.message == sent
        assert letter.reason == "línea uno\n  línea dos"
        assert letter.attempts in {5, 0}

    async def test_a_letter_says_when_it_came(self, place: Place, dead: DeadLetters) -> None:
        before = place.now()
        await dead.put(message("a"), "a reason")
        (letter,) = await letters(dead)
        assert abs((letter.time - before).total_seconds()) <= max(1, self.early)

    async def test_a_letter_at_the_limit_is_kept(self, dead: DeadLetters, queue: Queue) -> None:
        sent = message("big", body="x" * queue.capabilities.max_message_bytes)
        await dead.put(sent, "too much")
        (letter,) = await letters(dead)
        assert letter.message == sent

    async def test_a_reason_that_is_no_text_is_kept_all_the_same(self, dead: DeadLetters) -> None:
        await dead.put(message("a"), "lone \ud800 surrogate")
        (letter,) = await letters(dead)
        assert letter.reason.startswith("lone ")

    async def test_putting_twice_keeps_one(self, dead: DeadLetters) -> None:
        await dead.put(message("a"), "a reason", attempts=3)
        await dead.put(message("a"), "a reason", attempts=3)
        assert len(await letters(dead)) == 1

    async def test_letters_are_listed_oldest_first(self, place: Place, dead: DeadLetters) -> None:
        expected = [f"{n * 7 % 50:02}" for n in range(50)]
        for name in expected:
            await dead.put(message(name), f"because of {name}")
            if place.clock is not None:
                await place.pass_time(1)
        found = await letters(dead)
        assert [letter.message.id for letter in found] == expected
        assert [letter.time for letter in found] == sorted(letter.time for letter in found)
        assert [letter.reason for letter in found] == [f"because of {name}" for name in expected]

    async def test_letters_are_listed_by_id(self, dead: DeadLetters) -> None:
        for name in ("a", "b", "c"):
            await dead.put(message(name), "a reason")
        _, b, c = await letters(dead)
        assert await letters(dead, c.id, b.id, "nobody") == [b, c]
        assert await letters(dead, "nobody") == []

    async def test_letters_are_not_delivered(self, dead: DeadLetters, queue: Queue) -> None:
        await dead.put(message("a"), "a reason")
        assert await self.take(queue) == []

    async def test_what_is_redriven_is_delivered_afresh(self, dead: DeadLetters, queue: Queue) -> None:
        await self.publish(queue, apart("a", "b"))
        for delivery in await self.gather(queue):
            await dead.put(delivery.message, "a reason", attempts=delivery.attempt)
            await queue.ack([delivery])
        a, b = sorted(await letters(dead), key=lambda letter: letter.message.id)
        assert await dead.redrive([a.id, "nobody"]) == 1
        assert await letters(dead) == [b]
        (again,) = await self.take(queue)
        assert again.message == a.message
        assert again.attempt == 1
        assert await dead.redrive([a.id]) == 0

    async def test_what_is_redriven_and_dies_again_is_kept_again(self, dead: DeadLetters, queue: Queue) -> None:
        await dead.put(message("a"), "first")
        (letter,) = await letters(dead)
        await dead.redrive([letter.id])
        deliveries = await self.take(queue)
        await dead.put(deliveries[0].message, "second")
        await queue.ack(deliveries)
        (letter,) = await letters(dead)
        assert letter.reason == "second"
        await dead.redrive([letter.id])
        assert names(await self.take(queue)) == ["a"]

    async def test_letters_are_redriven_in_their_order(self, dead: DeadLetters, queue: Queue) -> None:
        for name in ("c", "a", "b"):
            await dead.put(message(name), "a reason")
        ids = [letter.id for letter in await letters(dead)]
        assert await dead.redrive([*reversed(ids), *ids]) == 3
        arrived = names(await self.settle(queue))
        assert (arrived if queue.capabilities.ordered else sorted(arrived, key="cab".index)) == ["c", "a", "b"]

    async def test_what_is_discarded_is_gone(self, dead: DeadLetters, queue: Queue) -> None:
        for name in ("a", "b"):
            await dead.put(message(name), "a reason")
        a, b = await letters(dead)
        assert await dead.discard([a.id, a.id, "nobody"]) == 1
        assert await letters(dead) == [b]
        assert await dead.redrive([a.id]) == 0
        assert await self.take(queue) == []

    async def test_nothing_is_done_for_no_ids(self, dead: DeadLetters) -> None:
        await dead.put(message("a"), "a reason")
        assert await dead.redrive([]) == 0
        assert await dead.discard([]) == 0
        assert len(await letters(dead)) == 1

    async def test_calls_may_be_made_at_the_same_time(self, dead: DeadLetters) -> None:
        expected = [f"{n}" for n in range(MANY)]
        async with anyio.create_task_group() as group:
            for name in expected:
                group.start_soon(dead.put, message(name), "a reason")
                group.start_soon(letters, dead)
        found = await letters(dead)
        assert sorted(letter.message.id for letter in found) == expected
        async with anyio.create_task_group() as group:
            for letter in found:
                group.start_soon(dead.discard, [letter.id])
        assert await letters(dead) == []

    async def test_cancelled_calls_lose_nothing_when_made_again(self, dead: DeadLetters, queue: Queue) -> None:
        async def put() -> None:
            await dead.put(message("a"), "a reason")

        async def redrive() -> None:
            await dead.redrive([letter.id for letter in await letters(dead)])

        async def kept() -> None:
            here = [letter.message.id for letter in await letters(dead)]
            assert [*names(await self.settle(queue)), *here] == ["a"]
            await put()

        async def discard() -> None:
            await dead.discard([letter.id for letter in await letters(dead)])

        async def gone() -> None:
            await discard()
            assert await letters(dead) == []
            await put()

        await at_every_await(self.awaits, put, put)
        assert len(await letters(dead)) == 1
        await at_every_await(self.awaits, lambda: letters(dead), put)
        await at_every_await(self.awaits, redrive, kept)
        await at_every_await(self.awaits, discard, gone)
