"""Values: what a reference of a definition names, looked up in the figures and put in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fireforget._unfit import suggest
from fireforget.errors import SettingsError
from fireforget.reporting import kinds, wording
from fireforget.reporting.figures import (
    Average,
    Figures,
    Orphans,
    Ranking,
    Ratio,
    Shares,
    Slice,
    Spread,
    Total,
    Uniques,
    Usage,
    Visits,
    is_blank,
)
from fireforget.reporting.wording import Better, Change, Format, change, difference, points

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fireforget.reporting.document import Tone
    from fireforget.reporting.figures import Figure

FACETS: Final[dict[type, tuple[str, ...]]] = {
    kinds.Count: ("total",),
    kinds.Sum: ("total",),
    kinds.Mean: ("mean",),
    kinds.Percentiles: ("p95", "p50", "p99", "count"),
    kinds.Distinct: ("count",),
    kinds.Sessions: ("count",),
    kinds.Share: ("share", "part", "whole"),
    kinds.Ratio: ("share", "part", "whole"),
    kinds.Top: ("total",),
    kinds.Models: ("tokens", "cost"),
    kinds.Pairs: ("missing", "share", "unexpected"),
}
"""What the measures of a kind have to offer; the first is meant where none is named."""

BRACES: Final = re.compile(r"\{([^{}]*)\}")


class Value:
    """One value of a measure.

    Args:
        reference: The name of the measure, and behind a point which of its values.
        measures: All measures of the definition.

    Raises:
        SettingsError: There is no such measure, or it has no such value.
    """

    def __init__(self, reference: str, measures: Mapping[str, kinds.Kind]) -> None:
        self.name, point, facet = reference.partition(".")
        if self.name not in measures:
            message = f"there is no measure {self.name!r}{suggest(self.name, measures)}"
            raise SettingsError(message)
        self.measure = measures[self.name]
        known = facets(self.measure)
        if not known:
            message = f"{self.name!r} has no single value: a block of its own shows it"
            raise SettingsError(message)
        if facet not in known and (point or isinstance(self.measure, kinds.Split)):
            problem = f"has no value {facet!r}" if point else "has one value for each choice, and none is named"
            message = f"{self.name!r} {problem}{suggest(facet, known)}"
            raise SettingsError(message)
        self.facet = facet or known[0]

    @property
    def label(self) -> str:
        """Its name for readers."""
        if choice := self._choice:
            return choice.label or choice.name
        name = self.measure.label or self.name.replace("_", " ").capitalize()
        plain = self.facet == FACETS[type(self.measure)][0] and not isinstance(self.measure, kinds.Percentiles)
        return name if plain else f"{name} ({self.facet})"

    @property
    def short(self) -> str:
        """Its name in the legend of a chart."""
        if isinstance(self.measure, kinds.Percentiles):
            return f"{self.measure.label} {self.facet}".lstrip()
        return self._choice.name if self._choice else self.label

    @property
    def better(self) -> Better:
        """Whether more or less of it is good news."""
        return (self._choice or self.measure).better

    @property
    def tone(self) -> Tone:
        """Its colour in a stacked chart."""
        return self._choice.tone if self._choice else "now"

    @property
    def format(self) -> Format:
        """How it is written."""
        if self.facet == "share" or self._choice:
            return Format("percent")
        if isinstance(self.measure, kinds.Numeric) and self.facet != "count":
            return Format(self.measure.unit, self.measure.decimals, self.measure.suffix)
        return Format()

    def blank(self, figures: Figures | Slice) -> bool:
        """There is nothing that it could be the value of."""
        return is_blank(self.figure(figures))

    def figure(self, figures: Figures | Slice) -> Figure:
        """The figure that it is a value of."""
        return figures.measures[self.name]

    def number(self, figures: Figures | Slice) -> float | None:
        """The value; None where it is not known."""
        match self.figure(figures):
            case Total(value=number) | Average(mean=number) | Uniques(count=number) | Ranking(total=number):
                return number
            case Spread() | Ratio() | Visits() as figure:
                found: float | None = getattr(figure, self.facet)
                return found
            case Shares() as figure:
                return figure.share(self.facet)
            case Orphans(missing=missing, unexpected=unexpected):
                return {"missing": missing.part, "share": missing.share, "unexpected": unexpected}[self.facet]
            case Usage() as figure:
                return figure.tokens if self.facet == "tokens" else _amount(figure)
            case _:
                return None

    def words(self, figures: Figures | Slice) -> str:
        """The value in words."""
        match self.figure(figures):
            case Uniques() as figure:
                return wording.uniques(figure)
            case Visits() as figure:
                return wording.uniques(figure.identified, figure.anonymous)
            case Usage() as figure if self.facet == "cost":
                return wording.moneys(figure.cost)
            case _:
                return self.format.words(self.number(figures))

    def phrase(self, figures: Figures) -> str:
        """The value in words, with its noun if it is a count and has one."""
        if self.measure.nouns is None or self.format != Format():
            return self.words(figures)
        one, many = self.measure.nouns
        return f"{self.words(figures)} {one if self.number(figures) == 1 else many}"

    def changed(self, now: Figures, before: Figures) -> Change:
        """How it changed."""
        pair = self.number(now), self.number(before)
        if self.format.unit == "percent":
            return points(*pair, self.better)
        if isinstance(self.measure, kinds.Mean) and self.measure.change == "difference":
            return difference(*pair, self.better, self.measure.decimals)
        if self.facet == "cost" and not _comparable(self.figure(now), self.figure(before)):
            return Change("unknown")
        return change(*pair, self.better)

    def detail(self, figures: Figures) -> str:
        """What else is to be said of it in a table; may be empty."""
        figure = self.figure(figures)
        if not isinstance(figure, Visits):
            return ""
        without = wording.plural(figure.anonymous, "request")
        return f"{wording.uniques(figure.identified)} by session id, {without} without one"

    def caveat(self, figures: Figures) -> str:
        """What keeps it from being the whole truth; may be empty."""
        figure = self.figure(figures)
        if not isinstance(figure, Usage) or self.facet != "cost" or not figure.unpriced:
            return ""
        return "some have no price" if figure.cost else "no price given"

    @property
    def _choice(self) -> kinds.Choice | None:
        if not isinstance(self.measure, kinds.Split):
            return None
        return next(choice for choice in self.measure.choices if choice.name == self.facet)


def facets(measure: kinds.Kind) -> tuple[str, ...]:
    """What a measure has to offer; none where only a block of its own can show it."""
    if isinstance(measure, kinds.Split):
        return tuple(choice.name for choice in measure.choices)
    return FACETS.get(type(measure), ())


def values_of(reference: str, measures: Mapping[str, kinds.Kind]) -> list[Value]:
    """What a reference stands for in a table or a stacked chart: a split without a choice, for all of them.

    Raises:
        SettingsError: As for `Value`.
    """
    measure = measures.get(reference)
    if isinstance(measure, kinds.Split):
        return [Value(f"{reference}.{choice.name}", measures) for choice in measure.choices]
    return [Value(reference, measures)]


def references(sentence: str) -> list[str]:
    """The references that stand in a sentence."""
    return BRACES.findall(sentence)


def fill(sentence: str, figures: Figures, measures: Mapping[str, kinds.Kind]) -> str | None:
    """The sentence with its values in words; None where one of them is not known."""
    values = {reference: Value(reference, measures) for reference in references(sentence)}
    if any(value.blank(figures) or value.number(figures) is None for value in values.values()):
        return None
    return BRACES.sub(lambda found: values[found[1]].phrase(figures), sentence)


def _amount(usage: Usage) -> float | None:
    """What it cost, where that is in one currency."""
    return float(usage.cost[0].amount) if len(usage.cost) == 1 else None


def _comparable(now: Figure, before: Figure) -> bool:
    """Both periods have every price, and the same one currency."""
    if not isinstance(now, Usage) or not isinstance(before, Usage) or now.unpriced or before.unpriced:
        return False
    return len(now.cost) == len(before.cost) == 1 and now.cost[0].currency == before.cost[0].currency
