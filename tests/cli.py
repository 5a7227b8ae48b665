"""What the tests of the command line share: a directory with a configuration, and commands run in it."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from fireforget._backends import Adapters
from fireforget._clock import SystemClock
from fireforget._configuration import load_settings
from fireforget._event import Event
from fireforget._journal import Journal
from fireforget._refused import RefusedFile
from fireforget._settings import Settings
from fireforget._site import queue_digest
from fireforget.abc import DeadLetter, Depth, Message, Query, Record
from fireforget.cli.program import program
from tests.journals import TINY, abandon, fill


class Workspace:
    """A directory whose `fireforget.toml` names the embedded backend, and what is in its queue and store.

    Args:
        path: The directory; it has to be the working directory.
        configuration: Lines of the file.
    """

    def __init__(self, path: Path, configuration: str = "") -> None:
        self.path = path
        self.configure(configuration)

    def configure(self, text: str) -> None:
        """Write the configuration anew."""
        (self.path / "fireforget.toml").write_text(f'name = "shop"\n{text}\n')

    @property
    def settings(self) -> Settings:
        return load_settings(self.path / "fireforget.toml")

    @property
    def refused(self) -> RefusedFile:
        """The file of what the queue refused."""
        return RefusedFile(self.settings.journal_directory.parent, SystemClock())

    def journal(self, numbers: Iterable[int] = (), *, queue: str = "", alive: bool = False) -> Journal:
        """The journal of a process that has emitted some events and has died, unless it is to live."""
        digest = queue_digest(queue or Adapters(self.settings).identity)
        journal = Journal.open(self.settings.journal_directory, digest, TINY, describe=_describe)
        fill(journal, numbers)
        if not alive:
            abandon(journal)
        return journal

    def run(self, *arguments: str, answer: str = "", **variables: str) -> Result:
        """Run a command within this process; only what is expected ends it by an exit code."""
        runner = CliRunner(env=variables)
        return runner.invoke(program, arguments, input=answer, prog_name="fireforget", catch_exceptions=False)

    def values(self, *arguments: str) -> list[Any]:
        """What a command prints as JSON Lines."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    def store(self, *events: Event) -> None:
        """Put events into the store."""

        async def put() -> None:
            async with aclosing(Adapters(self.settings).store()) as store:
                assert not await store.put([Record(event) for event in events])

        asyncio.run(put())

    def stored(self) -> list[Event]:
        """The events of the store."""

        async def scan() -> list[Event]:
            async with aclosing(Adapters(self.settings).store()) as store:
                return [record.event async for record in store.scan(Query())]

        return asyncio.run(scan())

    def publish(self, *messages: Message) -> None:
        """Put messages into the queue."""

        async def publish() -> None:
            async with aclosing(Adapters(self.settings).queue()) as queue:
                outcomes = await queue.publish(messages)
                assert [outcome.status for outcome in outcomes] == ["delivered"] * len(messages)

        asyncio.run(publish())

    def depth(self) -> Depth:
        """How full the queue is."""

        async def ask() -> Depth:
            async with aclosing(Adapters(self.settings).queue()) as queue:
                return await queue.depth()

        return asyncio.run(ask())

    def bury(self, message: Message, reason: str, *, attempts: int = 1) -> None:
        """Put a message among the dead letters of the queue."""

        async def put() -> None:
            async with aclosing(Adapters(self.settings).dead_letters()) as letters:
                await letters.put(message, reason, attempts=attempts)

        asyncio.run(put())

    def buried(self) -> list[DeadLetter]:
        """The dead letters of the queue."""

        async def read() -> list[DeadLetter]:
            async with aclosing(Adapters(self.settings).dead_letters()) as letters:
                return [letter async for letter in letters.list()]

        return asyncio.run(read())


def _describe(type_name: str) -> bytes:
    return b'"source":"shop","type":' + json.dumps(type_name).encode()
