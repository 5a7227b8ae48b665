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
    taken: list[Journal] = []
    try:
        for digest in _queues(settings, queue_digest(adapters.identity), other_queues=other_queues):
            taken += adopt(settings.journal_directory, digest, journal_options(settings))
        async with aclosing(adapters.queue()) as queue:
            done = Replayed(len(taken))
            if taken:
                await _publish(taken, queue, settings, done, progress, clock or SystemClock())
    finally:
        for journal in taken:
            journal.close()
    done.pending = sum(journal.pending for journal in taken)
    done.left = {
        each.id: each.problem or "its events were meant for another queue: --other-queues takes them, too"
        for each in journals_of(settings)
        if each.problem or (each.state == "dead" and not each.ours and not other_queues)
    }
    return done


def _queues(settings: Settings, own: str, *, other_queues: bool) -> set[str]:
    """The digests of the queues whose journals are taken."""
    if not other_queues:
        return {own}
    return {own, *(each.queue for each in journals_of(settings) if each.state == "dead")}


async def _publish(
    taken: list[Journal], queue: Queue, settings: Settings, done: Replayed, progress: Progress, clock: Clock
) -> None:
    total = sum(journal.pending for journal in taken)
    hooks = Hooks()
    progress(0, total)

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
