"""What a trial does to an application, and when."""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING, Final, Literal, get_args

import msgspec

from fireforget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

Victim = Literal["app", "worker", "both"]
"""Whom a blow hits."""
Weapon = Literal["kill", "term", "stop"]
"""What with."""

_EARLY: Final = 0.2
"""So many blows fall soon after the one before, while its victim starts and reads what that has left."""

SIGNALS: Final = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP}
"""What is sent: the end at once, the request to end, a halt of a while."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How often, whom and how.

    Args:
        blows: How often somebody is hurt.
        victims: Whom the blows may hit: ``"app"``, ``"worker"``, ``"both"``.
        weapons: What with: ``"kill"`` (SIGKILL to all processes of the victim), ``"term"`` (SIGTERM to the one that was
            started), ``"stop"`` (SIGSTOP to all, SIGCONT after a while).
        paths: What the clients ask for, in turn, by GET.
        clients: How many clients ask at once.
        most_answers: A blow falls after up to so many answers since the last one, or while its victim starts again.
        longest_stop: Most seconds between SIGSTOP and SIGCONT.
        patience_seconds: How long a start, an end, an answer and the last delivery may take.
        seed: Of all that is left to chance; the same one deals the same blows.

    Raises:
        SettingsError: A victim or a weapon is unknown, or there is nothing to ask for.
    """

    blows: int = 10
    victims: tuple[Victim, ...] = ("app",)
    weapons: tuple[Weapon, ...] = ("kill",)
    paths: tuple[str, ...] = ("/",)
    clients: int = 4
    most_answers: int = 200
    longest_stop: float = 1.0
    patience_seconds: float = 60.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        for name, kind in (("victims", Victim), ("weapons", Weapon)):
            given, known = getattr(self, name), get_args(kind)
            if not given or not set(given) <= set(known):
                message = f"{name} must be some of {', '.join(known)}, not {', '.join(given) or 'none'}"
                raise SettingsError(message)
        if not self.paths or self.clients < 1 or self.blows < 0 or self.most_answers < 1:
            message = "a plan needs a path, a client, and no negative number of blows"
            raise SettingsError(message)

    def deal(self) -> Iterator[Blow]:
        """The blows, one after the other."""
        chance = random.Random(self.seed)  # noqa: S311 - the same in every run of a seed is the purpose
        for _ in range(self.blows):
            yield Blow(
                victim=chance.choice(self.victims),
                weapon=chance.choice(self.weapons),
                answers=chance.randint(1, self.most_answers),
                early=chance.random() < _EARLY,
                moment=chance.random(),
            )


class Blow(msgspec.Struct, frozen=True, kw_only=True):
    """One blow.

    Args:
        victim: Whom it hits.
        weapon: What with.
        answers: How many answers come before it.
        early: It falls soon after the one before instead, while what that has ended starts again.
        moment: How soon, and how much of the longest stop a stop lasts, between 0 and 1.
    """

    victim: Victim
    weapon: Weapon
    answers: int
    early: bool
    moment: float

    def __str__(self) -> str:
        """As a trial tells of it."""
        when = "during the start" if self.early else f"after {self.answers} answers"
        return f"{SIGNALS[self.weapon].name} to {self.victim} {when}"
