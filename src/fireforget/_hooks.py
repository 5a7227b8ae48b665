"""The user's callbacks. What one of them raises is logged and stops nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from fireforget.abc import Message

_logger: Final = logging.getLogger("fireforget")

C = TypeVar("C", bound=Callable[..., object])


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


def _call(callbacks: list[Callable[..., object]] | list[Any], *arguments: object) -> None:
    for callback in callbacks:
        try:
            callback(*arguments)
        except (Exception, SystemExit):  # that would end the background thread
            _logger.exception("a hook of the application failed")
