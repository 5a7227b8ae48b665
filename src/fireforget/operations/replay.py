"""Bringing to the queue what is pending in the journals of dead processes, without the application."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget._backends import Adapters
from fireforget._clock import Clock, SystemClock
from fireforget._dispatcher import Dispatcher
from fireforget._hooks import Hooks
from fireforget._journal import Journal, Options, adopt
from fireforget._refused import RefusedFile
from fireforget._site import journal_options, queue_digest
from fireforget.errors import JournalError
from fireforget.operations.journals import journals_of
from fireforget.operations.progress import Progress, silent

if TYPE_CHECKING:
    from fireforget._settings import Settings
    from fireforget.abc import Message, Queue

_LOOK_SECONDS: Final = 0.05


class Replayed(msgspec.Struct):
    """What came of a replay.

    Args:
        journals: How many journals were taken over.
        delivered: Events that the queue has taken.
        dead_lettered: Events that it refused for good; they are in the dead-letter file.
        pending: Events that stay in their journals.
        reason: Why they stay.
        left: Why further journals of dead processes were left alone, by their ids.
    """

    journals: int = 0
    delivered: int = 0
    dead_lettered: int = 0
    pending: int = 0
    reason: str = ""
    left: dict[str, str] = {}


async def replay(
    settings: Settings,
    *,
    other_queues: bool = False,
    progress: Progress = silent,
    clock: Clock | None = None,
) -> Replayed:
    """Publish what is pending in the journals of dead processes, and write down what is finished.

    The living keep theirs. It ends early when the queue fails `breaker_failures` times in a row, or takes nothing for
    as long as one call and one backoff may last; what is pending then stays where it is.

    Args:
        settings: The configuration.
        other_queues: Take the journals, too, whose events were meant for another queue than the configured one.
        progress: Told of the events that are done.
        clock: Time, sleep and chance.

    Raises:
        SettingsError: There is no such queue.
        JournalError: A journal cannot be read.
    """
    adapters = Adapters(settings)
    queues = _queues(settings, queue_digest(adapters.identity), other_queues=other_queues)
    done, seen = Replayed(), set[str]()
    async with aclosing(adapters.queue()) as queue:
        while not done.pending and (taken := _take_over(settings, queues, seen)):
            try:
                await _publish(taken, queue, settings, done, progress, clock or SystemClock())
            finally:
                for journal in taken:
                    journal.close()
            done.journals += len(taken)
            done.pending = sum(journal.pending for journal in taken)
    for each in journals_of(settings):
        if each.problem:
            done.left[each.id] = each.problem
        elif each.state == "dead" and each.queue not in queues:
            done.left[each.id] = "its events were meant for another queue: --other-queues takes them, too"
        elif each.state == "dead" and each.id not in seen and each.pending:
            done.pending += each.pending
            done.reason = done.reason or "its journal cannot be taken over now: see 'fireforget journal verify'"
    return done


def _take_over(settings: Settings, queues: set[str], seen: set[str]) -> list[Journal]:
    """Some journals that have not been taken over before, for each costs descriptors; none where there are no more.

    Raises:
        JournalError: One cannot be locked or read, and there has been no other.
    """
    taken: list[Journal] = []
    for digest in queues:
        try:
            adopted = adopt(settings.journal_directory, digest, journal_options(settings))
        except JournalError:
            if not seen:
                raise
            continue  # the others are sent, and this one is told among what stays
        for journal in adopted:
            if journal.id in seen:
                journal.close()  # what is finished, but cannot be removed
            else:
                taken.append(journal)
                seen.add(journal.id)
    return taken


def _queues(settings: Settings, own: str, *, other_queues: bool) -> set[str]:
    """The digests of the queues whose journals are taken."""
    if not other_queues:
        return {own}
    return {own, *(each.queue for each in journals_of(settings) if each.state == "dead")}


async def _publish(
    taken: list[Journal], queue: Queue, settings: Settings, done: Replayed, progress: Progress, clock: Clock
) -> None:
    total = done.delivered + done.dead_lettered + sum(journal.pending for journal in taken)
    hooks = Hooks()
    progress(done.delivered + done.dead_lettered, total)

    @hooks.on_delivered
    def delivered(message: Message) -> None:
        done.delivered += message.count
        progress(done.delivered + done.dead_lettered, total)

    @hooks.on_dead_letter
    def dead_lettered(message: Message, _reason: str) -> None:
        done.dead_lettered += message.count
        progress(done.delivered + done.dead_lettered, total)

    own = Journal.open(settings.journal_directory, "", Options(durability="none"))
    refused = RefusedFile(settings.journal_directory.parent, clock)
    dispatcher = Dispatcher(own, queue, settings.dispatch, clock, refused, hooks)
    for journal in taken:
        dispatcher.add(journal)
    running, draining = asyncio.ensure_future(dispatcher.run()), asyncio.ensure_future(dispatcher.drain())
    try:
        done.reason = await _wait(draining, dispatcher, settings, done, clock)
    finally:
        for task in (draining, running):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        own.close()


async def _wait(
    draining: asyncio.Future[None], dispatcher: Dispatcher, settings: Settings, done: Replayed, clock: Clock
) -> str:
    """Wait for the end of the drain; why there is none in sight, else an empty text."""
    patience = settings.dispatch.publish_timeout + settings.dispatch.max_backoff_seconds
    before, since = -1, clock.monotonic()
    while not draining.done():
        if dispatcher.breaker.state != "closed":
            return dispatcher.breaker.reason
        if done.delivered + done.dead_lettered != before:
            before, since = done.delivered + done.dead_lettered, clock.monotonic()
        elif clock.monotonic() - since > patience:
            return f"the queue has taken nothing for {patience:.0f} s"
        await clock.sleep(_LOOK_SECONDS)
    draining.result()
    return ""
