"""Conditions on a value of an event: what the tables ``where``, ``hit`` and ``when`` of a definition say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from fireforget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fireforget.reporting.reading import Reading

Scalar = str | bool | int | float
Form = Literal["text", "flag", "number"]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"besides": "except"}):
    """A range of numbers, or anything but some values.

    Args:
        at_least: The number is this or more.
        below: The number is less than this.
        besides: Written ``except``: the value is none of these; a missing one is none of them either.
    """

    at_least: float | None = None
    below: float | None = None
    besides: tuple[Scalar, ...] = ()

    def __post_init__(self) -> None:
        if (self.at_least is not None or self.below is not None) == bool(self.besides):
            raise ValueError("a condition has at_least, below or both, or it has except")
        check_range(self.at_least, self.below)


def check_range(at_least: float | None, below: float | None) -> None:
    """See whether any number is in a range; each end may be None.

    Raises:
        ValueError: There is none.
    """
    if at_least != at_least or below != below:  # noqa: PLR0124 - what NaN alone is
        raise ValueError("nan is no bound: write a number")
    if at_least is not None and below is not None and at_least >= below:
        message = f"no number is at_least {at_least:g} and below {below:g}: exchange the two"
        raise ValueError(message)


Condition = Scalar | tuple[Scalar, ...] | Rule
"""A value, a list of values of which it is one, or a `Rule`."""


def test(condition: Condition) -> Callable[[object], bool]:
    """The condition as a function of a value; a value of another kind fulfils it only where that is `except`."""
    if isinstance(condition, Rule):
        return _bounded(condition) if not condition.besides else _other(condition.besides)
    values = _listed(condition)
    texts = texts_of(condition)
    if len(texts) == len(set(values)):  # nearly always, and much quicker
        return lambda value: isinstance(value, str) and value in texts
    wanted = {_typed(value) for value in values}
    return lambda value: _typed(value) in wanted


def is_void(condition: Condition) -> bool:
    """It is a list of no values, which nothing can fulfil."""
    return condition == ()


def test_all(where: Mapping[str, Condition]) -> Callable[[Reading], bool] | None:
    """All conditions on an event as one function; None where there are none."""
    if not where:
        return None
    tests = [(path, test(condition)) for path, condition in where.items()]
    return lambda reading: all(fulfils(reading.raw(path)) for path, fulfils in tests)


def form_of(*conditions: Condition) -> Form:
    """What kind of value the conditions ask for.

    Raises:
        SettingsError: They ask for different kinds, or for no value.
    """
    forms = {form for condition in conditions for form in _forms(condition)}
    if len(forms) != 1:
        raise SettingsError("conditions on one field must all be texts, all be numbers, or all be true or false")
    return forms.pop()


def texts_of(*conditions: Condition) -> frozenset[str]:
    """All texts that the conditions name."""
    named = (_listed(condition) for condition in conditions if not isinstance(condition, Rule))
    return frozenset(value for values in named for value in values if isinstance(value, str))


def _listed(condition: Scalar | tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    return condition if isinstance(condition, tuple) else (condition,)


def _forms(condition: Condition) -> set[Form]:
    if isinstance(condition, Rule) and not condition.besides:
        return {"number"}
    values = condition.besides if isinstance(condition, Rule) else _listed(condition)
    return {"text" if isinstance(value, str) else "flag" if isinstance(value, bool) else "number" for value in values}


def _typed(value: object) -> tuple[bool, object]:
    """The value as a key that tells 1 from true; what is no scalar is like nothing."""
    return (isinstance(value, bool), value) if isinstance(value, str | bool | int | float) else (False, None)


def _bounded(rule: Rule) -> Callable[[object], bool]:
    least = -float("inf") if rule.at_least is None else rule.at_least
    below = float("inf") if rule.below is None else rule.below

    def within(value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and least <= value < below

    return within


def _other(values: tuple[Scalar, ...]) -> Callable[[object], bool]:
    unwanted = {_typed(value) for value in values}
    return lambda value: _typed(value) not in unwanted
