"""The kit, run on every saboteur. `test_saboteurs` runs it in a process of its own, and says what has to fail."""

import itertools
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Any

import pytest

from fireforget.local.memory import MemoryDeadLetters, MemoryQueue, MemoryStore
from fireforget.testing import (
    DeadLettersConformance,
    MailerConformance,
    ManualClock,
    Place,
    QueueConformance,
    StoreConformance,
)
from fireforget.testing.saboteurs import SABOTEURS, Saboteur
from fireforget.testing.saboteurs.mailers import MemoryMailer, read

KITS = {
    "queue": QueueConformance,
    "dead_letters": DeadLettersConformance,
    "store": StoreConformance,
    "mailer": MailerConformance,
}
_names = itertools.count()


def place_of(saboteur: Saboteur) -> Place:
    """A place in memory where all adapters but one are sound."""
    name, clock, sent = f"sabotage-{next(_names)}", ManualClock(), list[bytes]()

    async def inbox() -> Sequence[EmailMessage]:
        return read(sent)

    makers: dict[str, Any] = {
        "queue": lambda: MemoryQueue(name, clock=clock),
        "dead_letters": lambda: MemoryDeadLetters(name, clock=clock),
        "store": lambda: MemoryStore(name, clock=clock),
        "mailer": lambda: MemoryMailer(sent),
    }

    def broken() -> Any:
        return saboteur.adapter(sent) if saboteur.port == "mailer" else saboteur.adapter(name, clock=clock)

    if saboteur.unreachable:
        lost: dict[str, Any] = {saboteur.port: broken}
        return Place(**makers, inbox=inbox, clock=clock, unreachable=Place(**lost))
    return Place(**(makers | {saboteur.port: broken}), inbox=inbox, clock=clock)


def class_of(saboteur: Saboteur) -> type:
    """The tests of the saboteur's port, run on it."""

    def place(_self: object) -> Place:
        return place_of(saboteur)

    members = {"place": pytest.fixture(place), "patience": 1.0, "examples": 100}
    return type(f"Test_{saboteur.port}_{saboteur.adapter.__name__}", (KITS[saboteur.port],), members)


for each in SABOTEURS:
    made = class_of(each)
    globals()[made.__name__] = made
