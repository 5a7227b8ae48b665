"""``fireforget worker``: the pipeline's worker in a process of its own."""

from __future__ import annotations

import logging
import signal
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import click

from fireforget._backends import Adapters, Roles
from fireforget._clock import SystemClock
from fireforget._hooks import Hooks
from fireforget._schema import shared_types
from fireforget._secrets import without_secrets
from fireforget.cli.options import configure
from fireforget.cli.output import visible
from fireforget.errors import AdapterError, SettingsError
from fireforget.reporting.wording import plural

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from anyio.abc import TaskGroup

    from fireforget._clock import Clock
    from fireforget._settings import Settings
    from fireforget.abc import Queue
    from fireforget.processing import Worker

_logger: Final = logging.getLogger("fireforget")

_LOOK_SECONDS: Final = 0.2
"""How often the queue is asked whether it is empty."""


@click.command()
@click.option("--until-empty", is_flag=True, help="End when the queue has nothing waiting and nothing in flight.")
@click.pass_obj
def worker(config: Path | None, /, *, until_empty: bool) -> None:
    """Process the events of the queue into the store.

    Until SIGTERM or Ctrl-C: what is in work is then finished, for as long as processing.stop_seconds; a second signal
    gives it up at once, and it comes again. Any number of workers may run side by side; one of them sends the report
    that report.schedule asks for.
    """
    settings = configure(config)
    _log()
    anyio.run(partial(_work, settings, until_empty=until_empty))


async def _work(settings: Settings, *, until_empty: bool) -> None:
    from fireforget.processing import make_worker
    from fireforget.reporting.scheduled import ScheduledReport

    adapters, clock, hooks = Adapters(settings), SystemClock(), Hooks()
    async with (
        aclosing(adapters.queue()) as queue,
        aclosing(adapters.dead_letters()) as letters,
        aclosing(adapters.store()) as store,
    ):
        if until_empty:
            await _is_empty(queue)  # a queue that cannot be asked is better refused before the work begins
        given = Roles(queue, letters, store), settings, shared_types, hooks, clock
        scheduled = [ScheduledReport(*given)] if settings.report.schedule and not until_empty else []
        for report in scheduled:
            report.check()  # better said now than in the log, at the hour
        pipeline = make_worker(*given, chores=[report.run for report in scheduled])
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            source, target = (visible(without_secrets(adapters.url(role))) for role in ("queue", "store"))
            click.echo(f"worker began: from {source} to {target}")
            async with anyio.create_task_group() as group:
                group.start_soon(_stop_on, signals, pipeline, group)
                if until_empty:
                    group.start_soon(_stop_when_empty, queue, pipeline, clock)
                await pipeline.run()
                group.cancel_scope.cancel()
    totals = pipeline.totals
    click.echo(
        f"worker ended: {plural(totals.events, 'event')} in {plural(totals.messages, 'message')} done, "
        f"{totals.dead_lettered} of them dead-lettered; {plural(totals.returned, 'message')} given back"
    )


async def _stop_on(signals: AsyncIterator[signal.Signals], pipeline: Worker, group: TaskGroup) -> None:
    """Stop gracefully at the first signal, and at once at the next."""
    deadline: float | None = None
    async for number in signals:
        if deadline is None:
            _logger.info("%s: what is in work is finished; a second signal gives it up", number.name)
        group.start_soon(pipeline.stop, deadline)
        deadline = 0.0


async def _stop_when_empty(queue: Queue, pipeline: Worker, clock: Clock) -> None:
    while True:
        try:
            if await _is_empty(queue):
                break
        except AdapterError as error:
            _logger.warning("cannot see how full the queue is: %s", error)
        await clock.sleep(_LOOK_SECONDS)
    await pipeline.stop()


async def _is_empty(queue: Queue) -> bool:
    depth = await queue.depth()
    if depth.visible is None or depth.in_flight is None:
        raise SettingsError("this queue does not tell how full it is: leave --until-empty out, and stop the worker")
    return not (depth.visible or depth.in_flight)


class _Lines(logging.Formatter):
    """What is logged may quote an event: nothing of it controls the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(visible, super().format(record).splitlines()))


def _log() -> None:
    """Log to stderr: what we have to say, and of others what is a warning."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    _logger.setLevel(logging.INFO)
