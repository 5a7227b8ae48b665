"""Meters: each takes the events of one measure of a definition and says its figure at the end.

Which field feeds a meter is the definition's business; how a value is kept within bounds is that of `measures`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from fireforget.reporting import kinds
from fireforget.reporting.conditions import form_of, test
from fireforget.reporting.figures import Figure, ModelUsage, Part, Parts, Ratio, Shares, Total, Usage
from fireforget.reporting.grouped import GROUPS_KEPT, OTHER, Grouped
from fireforget.reporting.measures import Count, Distinct, Mean, Percentiles, Share, Top
from fireforget.reporting.prices import total

if TYPE_CHECKING:
    from collections.abc import Callable

    from fireforget.reporting.conditions import Condition
    from fireforget.reporting.prices import PriceList
    from fireforget.reporting.reading import Reading

UNNAMED_MODEL: Final = "(no model named)"

VALUES_OF_GROUP: Final = 20_000
"""How many values percentiles keep for each group before they become approximate."""


class Meter(Protocol):
    """What all meters have in common."""

    def add(self, reading: Reading) -> None:
        """Take one event of the measure. Whatever it carries, this does not raise."""
        ...

    def figure(self) -> Figure:
        """The figure of all events so far."""
        ...


class CountMeter:
    """How many events."""

    def __init__(self, _: kinds.Count) -> None:
        self._count = Count()

    def add(self, reading: Reading) -> None:  # noqa: ARG002 - that it came is enough
        """Count one more."""
        self._count.add()

    def figure(self) -> Total:
        """How many there were."""
        return Total(self._count.value)


class SumMeter:
    """The sum of a field."""

    def __init__(self, measure: kinds.Sum) -> None:
        self._measure = measure
        self._sum = 0.0

    def add(self, reading: Reading) -> None:
        """Add the event's number."""
        self._sum += reading.number(self._measure.field, most=self._measure.most) or 0.0

    def figure(self) -> Total:
        """The sum."""
        return Total(self._sum)


class ValueMeter:
    """The mean or the percentiles of a field."""

    def __init__(self, measure: kinds.Mean | kinds.Percentiles, kept: int) -> None:
        self._measure = measure
        self._values = Mean() if isinstance(measure, kinds.Mean) else Percentiles(kept)

    def add(self, reading: Reading) -> None:
        """Take the event's number."""
        value = reading.number(self._measure.field, most=self._measure.most)
        if value is not None:
            self._values.add(value)

    def figure(self) -> Figure:
        """How the numbers are spread, or their mean."""
        return self._values.figure()


class GroupsMeter:
    """Percentiles of a field, by another field or by the keys of a mapping."""

    def __init__(self, measure: kinds.Groups) -> None:
        self._measure = measure
        self._groups = Grouped(partial(Percentiles, VALUES_OF_GROUP))

    def add(self, reading: Reading) -> None:
        """Take the event's number or numbers."""
        measure = self._measure
        if not measure.by:
            for name, number in reading.numbers(measure.field, most=measure.most):
                self._groups.of(name).add(number)
            return
        group, value = reading.text(measure.by), reading.number(measure.field, most=measure.most)
        if group is not None and value is not None:
            self._groups.of(group).add(value)

    def figure(self) -> Parts:
        """The groups with the largest sums."""
        largest = self._groups.largest(self._measure.rows)
        return Parts(tuple(Part(name, values.figure(), values.total) for name, values in largest), self._groups.slack)


class DistinctMeter:
    """How many different texts."""

    def __init__(self, measure: kinds.Distinct) -> None:
        self._field = measure.field
        self._texts = Distinct()

    def add(self, reading: Reading) -> None:
        """Take the event's text."""
        text = reading.text(self._field)
        if text is not None:
            self._texts.add(text)

    def figure(self) -> Figure:
        """How many there were."""
        return self._texts.figure()


class ShareMeter:
    """The share of events whose field fulfils a condition."""

    def __init__(self, measure: kinds.Share) -> None:
        self._read = reader(measure.field, measure.hit, among=frozenset(measure.among))
        self._hit = test(measure.hit)
        self._share = Share()

    def add(self, reading: Reading) -> None:
        """Take the event, if it carries the field."""
        value = self._read(reading)
        if value is not None:
            self._share.add(hit=self._hit(value))

    def figure(self) -> Ratio:
        """The part and the whole."""
        return self._share.figure()


class SplitMeter:
    """How many events fall to each choice."""

    def __init__(self, measure: kinds.Split) -> None:
        self._field = measure.field
        self._read = reader(measure.field, *(choice.when for choice in measure.choices))
        self._choices = [(choice.name, test(choice.when)) for choice in measure.choices]
        self._counts = dict.fromkeys((choice.name for choice in measure.choices), 0)

    def add(self, reading: Reading) -> None:
        """Take the event, if it carries the field."""
        value = self._read(reading)
        if value is None:
            return
        for name, fits in self._choices:
            if fits(value):
                self._counts[name] += 1
                return
        reading.refuse(self._field)

    def figure(self) -> Shares:
        """The counts."""
        return Shares(dict(self._counts))


class TopMeter:
    """The most frequent values of a field."""

    def __init__(self, measure: kinds.Top) -> None:
        self._measure = measure
        self._texts = _texts_of(measure)
        self._top = Top()

    def add(self, reading: Reading) -> None:
        """Take the event's value or values."""
        note = (reading.text(self._measure.note) or "") if self._measure.note else ""
        for text in self._texts(reading):
            self._top.add(text, note)

    def figure(self) -> Figure:
        """The top of the list."""
        return self._top.figure(self._measure.rows)


def _texts_of(measure: kinds.Top) -> Callable[[Reading], tuple[str, ...]]:
    """How the values that a `Top` counts are read."""
    field = measure.field
    match measure.form:
        case "list":
            return lambda reading: reading.texts(field)
        case "number":
            return lambda reading: _told(reading.whole(field, most=kinds.MOST))
        case _:
            return lambda reading: _told(reading.text(field))


def _told(value: str | int | None) -> tuple[str, ...]:
    return () if value is None else (str(value),)


class _Used:
    """What one model did."""

    def __init__(self) -> None:
        self.responses = self.input_tokens = self.output_tokens = 0

    @property
    def weight(self) -> float:
        return self.input_tokens + self.output_tokens

    def merge(self, other: _Used) -> None:
        self.responses += other.responses
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens


class ModelsMeter:
    """What each model did, and what that cost."""

    def __init__(self, measure: kinds.Models, prices: PriceList) -> None:
        self._measure, self._prices = measure, prices
        self._models = Grouped(_Used)

    def add(self, reading: Reading) -> None:
        """Take the event, if it names a model or tokens."""
        measure = self._measure
        model = reading.text(measure.model)
        read, written = (reading.whole(path, most=measure.most) for path in (measure.input, measure.output))
        if model is None and read is None and written is None:
            return
        used = self._models.of(UNNAMED_MODEL if model is None else model)
        used.responses += 1
        used.input_tokens += read or 0
        used.output_tokens += written or 0

    def figure(self) -> Usage:
        """The models, those that used most tokens first."""
        used = [
            ModelUsage(
                name,
                model.responses,
                model.input_tokens,
                model.output_tokens,
                self._prices.cost(name, model.input_tokens, model.output_tokens),
            )
            for name, model in self._models.largest(GROUPS_KEPT)
        ]
        used.sort(key=lambda usage: (usage.model == OTHER, -usage.tokens, -usage.responses, usage.model))
        shown, others = used[: self._measure.rows], used[self._measure.rows :]
        models = (*shown, _together(others)) if others else tuple(shown)
        unpriced = tuple(model.model for model in used if model.cost is None and model.tokens)
        return Usage(models, total(used), unpriced)


def _together(models: list[ModelUsage]) -> ModelUsage:
    """Models as one; what they cost is said where that is in one currency."""
    costs = total(models)
    return ModelUsage(
        OTHER,
        sum(model.responses for model in models),
        sum(model.input_tokens for model in models),
        sum(model.output_tokens for model in models),
        costs[0] if len(costs) == 1 else None,
    )


def reader(
    field: str, *conditions: Condition, among: frozenset[str] = frozenset()
) -> Callable[[Reading], str | bool | float | None]:
    """How a field is read so that the conditions can be tried on it."""
    match form_of(*conditions):
        case "flag":
            return lambda reading: reading.flag(field)
        case "number":
            return lambda reading: reading.number(field, most=kinds.MOST)
        case _ if among:
            return lambda reading: reading.choice(field, among)
        case _:
            return lambda reading: reading.text(field)
