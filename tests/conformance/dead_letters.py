"""What every queue's dead letters promise, as tests."""

import pytest

from fireforget.abc import DeadLetter, DeadLetters, Message, Queue
from fireforget.errors import ClosedError
from tests.conformance.queue_place import OnQueuePlace, QueuePlace, message, names, take


async def letters(dead_letters: DeadLetters, *ids: str) -> list[DeadLetter]:
    return [letter async for letter in dead_letters.list(ids)]


class DeadLettersConformance(OnQueuePlace):
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

    async def test_letters_are_listed_oldest_first(self, place: QueuePlace, dead: DeadLetters) -> None:
        expected = [f"{n * 7 % 50:02}" for n in range(50)]
        for name in expected:
            await dead.put(message(name), f"because of {name}")
            await place.elapse(1)
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
        assert not await take(queue)

    async def test_what_is_redriven_is_delivered_afresh(self, dead: DeadLetters, queue: Queue) -> None:
        await queue.publish([message("a"), message("b", key="other")])
        for delivery in await take(queue):
            await dead.put(delivery.message, "a reason", attempts=delivery.attempt)
            await queue.ack([delivery])
        a, b = sorted(await letters(dead), key=lambda letter: letter.message.id)
        assert await dead.redrive([a.id, "nobody"]) == 1
        assert await letters(dead) == [b]
        (again,) = await take(queue)
        assert again.message == a.message
        assert again.attempt == 1
        assert await dead.redrive([a.id]) == 0

    async def test_what_is_redriven_and_dies_again_is_kept_again(self, dead: DeadLetters, queue: Queue) -> None:
        await dead.put(message("a"), "first")
        (letter,) = await letters(dead)
        await dead.redrive([letter.id])
        deliveries = await take(queue)
        await dead.put(deliveries[0].message, "second")
        await queue.ack(deliveries)
        (letter,) = await letters(dead)
        assert letter.reason == "second"
        await dead.redrive([letter.id])
        assert names(await take(queue)) == ["a"]

    async def test_letters_are_redriven_in_their_order(self, dead: DeadLetters, queue: Queue) -> None:
        for name in ("c", "a", "b"):
            await dead.put(message(name), "a reason")
        ids = [letter.id for letter in await letters(dead)]
        assert await dead.redrive([*reversed(ids), *ids]) == 3
        seen = []
        while deliveries := await take(queue):
            seen += names(deliveries)
            await queue.ack(deliveries)
        assert seen == ["c", "a", "b"]

    async def test_what_is_discarded_is_gone(self, dead: DeadLetters, queue: Queue) -> None:
        for name in ("a", "b"):
            await dead.put(message(name), "a reason")
        a, b = await letters(dead)
        assert await dead.discard([a.id, a.id, "nobody"]) == 1
        assert await letters(dead) == [b]
        assert await dead.redrive([a.id]) == 0
        assert not await take(queue)

    async def test_nothing_is_done_for_no_ids(self, dead: DeadLetters) -> None:
        await dead.put(message("a"), "a reason")
        assert await dead.redrive([]) == 0
        assert await dead.discard([]) == 0
        assert len(await letters(dead)) == 1

    async def test_closing_twice_is_no_error(self, dead: DeadLetters) -> None:
        await dead.put(message("a"), "a reason")
        await dead.aclose()
        await dead.aclose()

    async def test_a_closed_adapter_refuses_every_call(self, dead: DeadLetters) -> None:
        await dead.aclose()
        for call in (
            lambda: dead.put(message("a"), "a reason"),
            lambda: letters(dead),
            lambda: dead.redrive(["a"]),
            lambda: dead.discard(["a"]),
        ):
            with pytest.raises(ClosedError):
                await call()
