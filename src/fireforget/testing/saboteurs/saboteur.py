"""What a saboteur is: an adapter, what it stands in for, and the tests that have to notice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T", bound=type)


class Saboteur(NamedTuple):
    """One broken adapter.

    Args:
        adapter: Its class.
        port: Which maker of a place makes it: ``"queue"``, ``"dead_letters"``, ``"store"`` or ``"mailer"``.
        noticed: The names of the tests that fail, without ``test_``.
        unreachable: It stands for the adapter of a service that cannot be reached.
    """

    adapter: type[Any]
    port: str
    noticed: frozenset[str]
    unreachable: bool = False


class Found(list[Saboteur]):
    """The saboteurs of one module.

    Args:
        port: What all of them are.
    """

    def __init__(self, port: str) -> None:
        super().__init__()
        self._port = port

    def __call__(self, *noticed: str, unreachable: bool = False) -> Callable[[T], T]:
        """Decorate a broken adapter with the names of the tests that notice it."""

        def add(adapter: T) -> T:
            self.append(Saboteur(adapter, self._port, frozenset(noticed), unreachable))
            return adapter

        return add
