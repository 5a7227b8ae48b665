"""The user's callbacks: all are called, and none can do harm."""

import pytest

from fireforget import SettingsError
from fireforget._hooks import Hooks
from fireforget.abc import Message

MESSAGE = Message("1", "lane-000", "[]")


def test_each_kind_of_hook_is_told_what_it_is_for() -> None:
    hooks, told = Hooks(), list[object]()
    error = ValueError("no")
    hooks.on_delivered(told.append)
    hooks.on_dropped(lambda reason, count: told.append((reason, count)))
    hooks.on_dead_letter(lambda message, reason: told.append((message, reason)))
    hooks.on_error(told.append)

    hooks.delivered(MESSAGE)
    hooks.dropped("overflow", 3)
    hooks.dead_letter(MESSAGE, "too big")
    hooks.error(error)

    assert told == [MESSAGE, ("overflow", 3), (MESSAGE, "too big"), error]


def test_all_hooks_of_a_kind_are_called_in_order() -> None:
    hooks, told = Hooks(), list[int]()
    hooks.on_delivered(lambda _: told.append(1))
    hooks.on_delivered(lambda _: told.append(2))

    hooks.delivered(MESSAGE)

    assert told == [1, 2]


def test_registering_is_a_decorator() -> None:
    hooks = Hooks()

    def callback(*_: object) -> None:
        """Do nothing."""

    for register in (hooks.on_delivered, hooks.on_dropped, hooks.on_dead_letter, hooks.on_error):
        assert register(callback) is callback


def test_a_hook_that_raises_is_logged_and_stops_neither_the_others_nor_the_caller(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hooks, told = Hooks(), list[BaseException]()
    hooks.on_error(lambda _: 1 / 0)
    hooks.on_error(told.append)
    error = ValueError("no")

    hooks.error(error)

    assert told == [error]
    assert [record.getMessage() for record in caplog.records] == ["a hook of the application failed"]
    assert "ZeroDivisionError" in caplog.text


def test_an_error_of_our_own_is_logged_without_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    hooks, told = Hooks(), list[BaseException]()
    hooks.on_error(told.append)

    hooks.failed("it failed", SettingsError("mend it"))
    hooks.failed("it failed", ZeroDivisionError())

    plain, whole = caplog.records
    assert [plain.getMessage(), whole.getMessage()] == ["it failed: mend it", "it failed: ZeroDivisionError"]
    assert plain.exc_info is None
    assert whole.exc_info is not None
    assert len(told) == 2
