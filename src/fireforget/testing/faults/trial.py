"""A trial: an application under load is hurt again and again, and then the books are balanced."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fireforget._configuration import load_settings
from fireforget.errors import SettingsError
from fireforget.testing.faults.books import Books
from fireforget.testing.faults.child import Child
from fireforget.testing.faults.load import Load
from fireforget.testing.faults.plan import SIGNALS, Blow, Plan
from fireforget.testing.faults.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fireforget._settings import Settings
    from fireforget.testing.faults.balance import Balance

_START_SECONDS: Final = 1.5
"""A blow that falls early falls within so many seconds of the one before."""


class Trial:
    """Runs a server and, where there is one, a worker of its own, in this directory and as a user would start them.

    Args:
        app: Command line of the server; ``{port}`` in it becomes the port on which it has to listen, at 127.0.0.1.
        worker: Command line of the worker; empty where it is embedded in the server.
        plan: What is done to them; None for ten kills of the server.
        settings: Their configuration; None for what `load_settings` finds here, as they do themselves.
        tell: Called with a line for each thing that happens.

    Raises:
        SettingsError: A worker is to be hurt and there is none, or the store or the directory is not empty.
    """

    def __init__(
        self,
        app: Sequence[str],
        worker: Sequence[str] = (),
        plan: Plan | None = None,
        settings: Settings | None = None,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._commands = {"app": app, "worker": worker}
        self._plan = plan or Plan()
        self._tell = tell
        if not worker and set(self._plan.victims) != {"app"}:
            message = "there is no worker to hurt: give its command line, or name the app as the only victim"
            raise SettingsError(message)
        given = settings or load_settings()
        self.books = Books(given)
        self._logs = Path(given.directory, "faults")
        self._load = Load(self.books, self._plan.paths, self._plan.clients)
        self._children: dict[str, Child] = {}

    def run(self) -> Balance:
        """Deal all blows, let everything be delivered, and balance the books.

        Raises:
            ChildProcessError: The server or the worker ended by itself.
            TimeoutError: A start, an end or an answer took longer than the plan's patience.
            FireForgetError: The store, the dead letters or the journals cannot be read.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        patience = self._plan.patience_seconds
        try:
            with self._load:
                self._start(["app", "worker"])
                for number, blow in enumerate(self._plan.deal(), start=1):
                    self._tell(f"blow {number} of {self._plan.blows}: {blow}")
                    self._bide(blow)
                    self._strike(blow)
                self._await_app()
                self._load.wait_for_answers(self._plan.clients, patience, self._watch)
            self._tell("waiting for the last delivery")
            self.books.settle(patience)
            balance = self.books.balance()
            self._end(list(self._children), signal.SIGTERM)
        finally:
            for child in self._children.values():
                child.kill()
        return balance

    def _start(self, names: Sequence[str]) -> None:
        for name in names:
            command, log = self._commands[name], self._logs / f"{name}.log"
            if command:
                self._children[name] = Server(command, log) if name == "app" else Child(command, log)

    def _await_app(self) -> None:
        """Wait until the server listens, and let the clients ask it."""
        app = self._children["app"]
        if isinstance(app, Server):
            app.wait_until_it_listens(self._plan.patience_seconds)
            self._load.aim(app.port)

    def _bide(self, blow: Blow) -> None:
        """Wait for the moment of a blow."""
        if blow.early:
            time.sleep(blow.moment * _START_SECONDS)
            return
        self._await_app()
        self._load.wait_for_answers(blow.answers, self._plan.patience_seconds, self._watch)

    def _watch(self) -> None:
        """Who ended although nobody hurt him?

        Raises:
            ChildProcessError: Somebody.
        """
        for child in self._children.values():
            if not child.alive:
                message = f"{' '.join(child.command)} ended with code {child.process.returncode}:\n{child.log}"
                raise ChildProcessError(message)

    def _strike(self, blow: Blow) -> None:
        victims = [name for name in self._children if blow.victim in {name, "both"}]
        if blow.weapon == "stop":
            for name in victims:
                self._children[name].send_to_all(signal.SIGSTOP)
            time.sleep(blow.moment * self._plan.longest_stop)
            for name in victims:
                self._children[name].send_to_all(signal.SIGCONT)
        else:
            self._end(victims, SIGNALS[blow.weapon])
            self._start(victims)

    def _end(self, victims: Sequence[str], number: signal.Signals) -> None:
        """End some children; the clients go on asking until the server is gone."""
        for name in victims:
            child = self._children[name]
            if number == signal.SIGKILL:
                child.send_to_all(number)
            else:
                child.send(number)
        for name in victims:
            self._children[name].wait(self._plan.patience_seconds)
            self._children[name].kill()  # what it has left behind
            if name == "app":
                self._load.aim(None)
