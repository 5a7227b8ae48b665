"""The user's callbacks. What one of them raises is logged and stops nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fireforget.errors import FireForgetError

if TYPE_CHECKING:
    from fireforget.abc import Message

_logger: Final = logging.getLogger("fireforget")

C = TypeVar("C", bound=Callable[..., object])
T = TypeVar("T")


class Hooks:
    """Callbacks by the thing that they are told of. They run in the background thread and should return soon."""

    def __init__(self) -> None:
        self._delivered: list[Callable[[Message], object]] = []
        self._dropped: list[Callable[[str, int], object]] = []
        self._dead_letter: list[Callable[[Message, str], object]] = []
        self._error: list[Callable[[BaseException], object]] = []

    def on_delivered(self, callback: C) -> C:
        """Call with each `Message` that the queue has taken."""
        self._delivered.append(callback)
        return callback

    def on_dropped(self, callback: C) -> C:
        """Call with the reason and the number of accepted events that were given up."""
        self._dropped.append(callback)
        return callback

    def on_dead_letter(self, callback: C) -> C:
        """Call with each `Message` that was put aside for good, and the reason."""
        self._dead_letter.append(callback)
        return callback

    def on_error(self, callback: C) -> C:
        """Call with each unexpected exception: of an adapter, an enricher or work handed to `wait_until`."""
        self._error.append(callback)
        return callback

    def delivered(self, message: Message) -> None:
        """The queue has taken a message."""
        _call(self._delivered, message)

    def dropped(self, reason: str, count: int) -> None:
        """Accepted events were given up."""
        _call(self._dropped, reason, count)

    def dead_letter(self, message: Message, reason: str) -> None:
        """A message was put aside for good."""
        _call(self._dead_letter, message, reason)

    def error(self, error: BaseException) -> None:
        """Something unexpected was raised."""
        _call(self._error, error)

    def failed(self, what: str, error: BaseException) -> None:
        """Log that something failed, and tell of it. An error that says the mend needs no traceback."""
        plain = isinstance(error, (FireForgetError, OSError))
        _logger.error("%s: %s", what, str(error) or type(error).__name__, exc_info=None if plain else error)
        self.error(error)


class Hooked:
    """What has hooks: the part of it that its user registers callbacks with."""

    _hooks: Hooks

    def on_delivered(self, callback: Callable[[Message], T]) -> Callable[[Message], T]:
        """Call with each `Message` that the queue has taken. A decorator, as the other hooks.

        All of them run in the background thread and should return soon; what one raises is logged and stops nothing.
        """
        return self._hooks.on_delivered(callback)

    def on_dropped(self, callback: Callable[[str, int], T]) -> Callable[[str, int], T]:
        """Call with the reason and the number of accepted events that were given up."""
        return self._hooks.on_dropped(callback)

    def on_dead_letter(self, callback: Callable[[Message, str], T]) -> Callable[[Message, str], T]:
        """Call with each `Message` that was put aside for good, and the reason."""
        return self._hooks.on_dead_letter(callback)

    def on_error(self, callback: Callable[[BaseException], T]) -> Callable[[BaseException], T]:
        """Call with each unexpected exception: of an adapter, an enricher or work handed to `wait_until`."""
        return self._hooks.on_error(callback)


def _call(callbacks: list[Callable[..., object]] | list[Any], *arguments: object) -> None:
    for callback in callbacks:
        try:
            callback(*arguments)
        except (Exception, SystemExit):  # that would end the background thread
            _logger.exception("a hook of the application failed")
