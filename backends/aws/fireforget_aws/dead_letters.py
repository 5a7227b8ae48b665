"""The dead letters of a queue of SQS: an ordinary queue, to which SQS's own redrive policy leads, too.

A queue cannot be read without taking. Whoever lists, redrives or discards takes all letters under a visibility timeout,
and gives back at once what stays.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from fireforget.abc import DeadLetter, Finding
from fireforget.adapters import micros, moment
from fireforget.errors import AdapterError, PermanentError, TransientError
from fireforget_aws._errors import translated
from fireforget_aws._letter_form import LETTER_ATTRIBUTES, is_letter, read_letter, says_why, write_letter
from fireforget_aws._limits import ENTRIES, FIFO, dead_name
from fireforget_aws._message_form import write_message
from fireforget_aws._sqs import SQSAdapter, delete, hide, send

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.type_defs import MessageTypeDef

    from fireforget.abc import Clock, Message, Outcome
    from fireforget_aws.access import Access

T = TypeVar("T")

_HOLD_SECONDS: Final = 120
"""How long a letter stays out of sight where whoever looks through the letters dies over it."""


_ENOUGH: Final = frozenset({"AWS.SimpleQueueService.OverLimit", "OverLimit"})
"""The answer to a receive when 120,000 messages are invisible (SQS, "Quotas related to messages")."""


class _Taken(msgspec.Struct):
    """One letter, and its copies: whoever puts a letter may do so twice.

    Args:
        letter: The first of them.
        original: A copy's name in the queue, the same whoever takes it.
        receipts: How each copy is deleted, by its name in the queue.
        reasoned: It was put with a reason, and not moved here by SQS.
    """

    letter: DeadLetter
    original: str
    receipts: dict[str, str]
    reasoned: bool

    def add(self, other: _Taken) -> None:
        """Another copy: the first that says why is the letter."""
        self.receipts |= other.receipts
        if (not other.reasoned, other.letter.time) < (not self.reasoned, self.letter.time):
            self.letter, self.original, self.reasoned = other.letter, other.original, other.reasoned


class _Look(msgspec.Struct):
    """One look through all letters.

    Args:
        taken: What it holds, by the ids of the messages.
        given_up: Who wanted it has been cancelled.
    """

    taken: dict[str, _Taken] = {}
    given_up: bool = False


class SQSDeadLetters(SQSAdapter):
    """The messages of an `SQSQueue` that could not be processed.

    The id of a letter is that of its message. What one operator looks through, another does not see until that is done,
    within two minutes at most; calls of one and the same adapter wait for one another.

    Args:
        name: The queue's name.
        access: How AWS is reached.
        dead: Name of the queue of the dead letters; None for the usual one.
        account: Number of the account that owns both; None for the caller's own.
        clock: Where time comes from; None for the machine's own.
        look_seconds: For how many whole seconds a look waits for more, until it believes that there is no more. SQS
            asks all its servers only where somebody waits; 0 is for a server that is but one.
    """

    def __init__(
        self,
        name: str,
        access: Access,
        *,
        dead: str | None = None,
        account: str | None = None,
        clock: Clock | None = None,
        look_seconds: int = 1,
    ) -> None:
        super().__init__(access, account, clock)
        self._queue_name = name
        self._name = dead_name(name, dead)
        self._fifo = name.endswith(FIFO)
        self._look_seconds = look_seconds
        self._turn = asyncio.Lock()

    async def put(self, message: Message, reason: str, *, attempts: int = 0) -> None:
        """Keep a message with its reason, cut where it is over the limit. See `fireforget.abc.DeadLetters`.

        A second letter of a message is kept, too, for it may tell of another death; the two count as one.
        """
        self._check_open()
        now = self._clock.time_ns() // 1000
        letter = DeadLetter(message.id, message, reason, moment(now), attempts)
        await self._call(lambda client: self._put(client, letter))

    async def _put(self, client: SQSClient, letter: DeadLetter, *, moved: bool = False) -> None:
        entry = write_letter(letter, micros(letter.time), fifo=self._fifo, moved=moved)
        _raise_unless_delivered(await send(client, await self._url(client, self._name), [entry]))

    async def list(self, ids: Sequence[str] = ()) -> AsyncIterator[DeadLetter]:
        """Yield the dead letters, oldest first. See `fireforget.abc.DeadLetters`.

        All of them are in memory meanwhile, 120,000 at most: SQS lets nobody take more. An iteration that is given up
        holds none of them back.
        """
        self._check_open()

        async def work(_: SQSClient, taken: Sequence[_Taken]) -> Sequence[_Taken]:
            return _with_ids(taken, ids) if ids else taken

        for each in await self._call(lambda client: self._look_through(client, work)):
            self._check_open()
            yield each.letter

    async def redrive(self, ids: Sequence[str]) -> int:
        """Send dead letters to the queue, and delete them then. See `fireforget.abc.DeadLetters`.

        The queue knows each by another deduplication id than when it was published, so that it takes it; and by the
        same one each time, so that a redrive that was interrupted, and is made again within five minutes, sends it
        once.

        Raises:
            AdapterError: The queue does not take some of them; these are still here.
        """
        self._check_open()
        if not ids:
            return 0

        async def work(client: SQSClient, taken: Sequence[_Taken]) -> int:
            chosen = _with_ids(taken, ids)
            entries = [
                write_message(
                    each.letter.message, fifo=self._fifo, deduplication_id=each.original if self._fifo else None
                )
                for each in chosen
            ]
            outcomes = await send(client, await self._url(client, self._queue_name), entries)
            sent = [each for each, outcome in zip(chosen, outcomes, strict=True) if outcome.status == "delivered"]
            await self._delete(client, sent)
            _raise_unless_delivered(outcomes)
            return len(sent)

        return await self._call(lambda client: self._look_through(client, work))

    async def discard(self, ids: Sequence[str]) -> int:
        """Delete dead letters for good; says how many there were. See `fireforget.abc.DeadLetters`."""
        self._check_open()
        if not ids:
            return 0

        async def work(client: SQSClient, taken: Sequence[_Taken]) -> int:
            chosen = _with_ids(taken, ids)
            await self._delete(client, chosen)
            return len(chosen)

        return await self._call(lambda client: self._look_through(client, work))

    async def check(self) -> Sequence[Finding]:
        """Look whether the queue of the dead letters is there. See `Checkable`."""
        await self._call(self._see)
        return [Finding("dead letters", "ok", f"the queue {self._name} is there")]

    async def _see(self, client: SQSClient) -> None:
        url = await self._url(client, self._name)
        await client.get_queue_attributes(QueueUrl=url, AttributeNames=("ApproximateNumberOfMessages",))

    async def _look_through(self, client: SQSClient, work: Callable[[SQSClient, Sequence[_Taken]], Awaitable[T]]) -> T:
        """Take all letters, do something with them, oldest first, and give back those that are left.

        Who is cancelled does not wait for the end, but there is one: what a receive under way takes would be out of
        sight else, and what was sent would not be deleted. The next call waits for it.
        """
        look = _Look()
        task = asyncio.ensure_future(self._finish(client, look, work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            look.given_up = True
            task.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody else asks for it
            raise
        return task.result()

    async def _finish(
        self, client: SQSClient, look: _Look, work: Callable[[SQSClient, Sequence[_Taken]], Awaitable[T]]
    ) -> T:
        async with self._turn:
            url = await self._url(client, self._name)
            try:
                await self._take_all(client, url, look)
                if look.given_up:
                    raise asyncio.CancelledError
                return await work(client, sorted(look.taken.values(), key=lambda each: each.letter.time))
            finally:
                left = [receipt for each in look.taken.values() for receipt in each.receipts.values()]
                with suppress(AdapterError), translated():  # else they come by themselves when their time is up
                    await hide(client, url, left, 0)

    async def _take_all(self, client: SQSClient, url: str, look: _Look) -> None:
        """Receive until nothing comes that was not seen yet."""
        taken, seen = look.taken, set[str]()
        while not look.given_up:
            received = await self._receive(client, url)
            for each in received:
                name = each["MessageId"]
                found = _Taken(read_letter(each), name, {name: each["ReceiptHandle"]}, says_why(each))
                if found.letter.id in taken:
                    taken[found.letter.id].add(found)
                else:
                    taken[found.letter.id] = found
            if not {each["MessageId"] for each in received} - seen:
                return
            seen |= {each["MessageId"] for each in received}
            if self._fifo:
                await self._set_apart(client, url, [each for each in received if not is_letter(each)], taken)

    async def _receive(self, client: SQSClient, url: str) -> Sequence[MessageTypeDef]:
        """The next letters; none where SQS hands out no more, as so many are taken already."""
        from botocore.exceptions import ClientError

        try:
            answer = await client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=ENTRIES,
                WaitTimeSeconds=self._look_seconds,
                VisibilityTimeout=_HOLD_SECONDS,
                MessageSystemAttributeNames=LETTER_ATTRIBUTES,
                MessageAttributeNames=("All",),
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _ENOUGH:
                raise
            return ()
        return answer.get("Messages", ())

    async def _set_apart(
        self, client: SQSClient, url: str, moved: Sequence[MessageTypeDef], taken: dict[str, _Taken]
    ) -> None:
        """Give each letter that SQS moved here a group of its own.

        It has the group of its key still, of which no more come while these are taken.
        """
        for each in moved:
            letter = read_letter(each)
            with suppress(PermanentError):  # no letter is as large as a message may be: it stays where it is
                await self._put(client, letter, moved=True)
                await delete(client, url, [each["ReceiptHandle"]])
                taken[letter.id].receipts.pop(each["MessageId"], None)

    async def _delete(self, client: SQSClient, chosen: Sequence[_Taken]) -> None:
        """Delete all copies; those whose time is up are not ours any more, and come again."""
        receipts = [receipt for each in chosen for receipt in each.receipts.values()]
        await delete(client, await self._url(client, self._name), receipts)
        for each in chosen:
            each.receipts.clear()


def _with_ids(taken: Iterable[_Taken], ids: Iterable[str]) -> list[_Taken]:
    wanted = frozenset(ids)
    return [each for each in taken if each.letter.id in wanted]


def _raise_unless_delivered(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.status == "retry":
            raise TransientError(outcome.reason, retry_after=outcome.retry_after)
        if outcome.status == "refused":
            raise PermanentError(outcome.reason)
