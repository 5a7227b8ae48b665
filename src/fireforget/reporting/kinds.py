"""The kinds of measures that a report definition can declare, each as a table ``[measures.NAME]``.

A measure takes the events of its type (``event``; a list for several; ``"*"`` for all) that fulfil every condition
of ``where``. A condition on a field is a value, a list of values, ``{ at_least = 500, below = 600 }`` or
``{ except = ["/health"] }``. A field is named by its path within the event's data: ``metadata.source``. A value that
is missing is no fault; one of the wrong kind is counted as unusable, and the report says so.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from fireforget.reporting.conditions import Condition
from fireforget.reporting.document import Tone
from fireforget.reporting.wording import Better, Unit

Rows = Annotated[int, msgspec.Meta(ge=1, le=50)]
Path = Annotated[str, msgspec.Meta(min_length=1)]

MOST: float = 1e15
"""The largest number that is believed where a definition names none."""

Most = Annotated[float, msgspec.Meta(gt=0, le=1e300)]


class Measure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all kinds have in common.

    Args:
        label: Its name for readers; empty for the measure's own name.
        better: Whether ``"more"`` or ``"less"`` of it is good news, which colours its change; ``"neither"``.
        nouns: What is counted, one of it and several: ``["query", "queries"]``. For sentences.
    """

    label: str = ""
    better: Better = "neither"
    nouns: tuple[str, str] | None = None


class Eventful(Measure, frozen=True, kw_only=True):
    """What all kinds have in common that take events.

    Args:
        event: Type of the events, a list of types, or ``"*"``.
        where: Conditions by field; all must hold.
    """

    event: str | tuple[str, ...]
    where: dict[str, Condition] = {}

    @property
    def events(self) -> tuple[str, ...]:
        """The types as a list."""
        return (self.event,) if isinstance(self.event, str) else self.event


class Numeric(Eventful, frozen=True, kw_only=True):
    """What all kinds have in common that read numbers.

    Args:
        field: The field with the number, 0 or more.
        most: The largest number that is believed. 10¹⁵.
        unit: How it is written: ``"number"``, as a time or size: ``"ms"``, ``"s"``, ``"bytes"``; or as a share, 0.42 as
            42%: ``"percent"``.
        decimals: Digits after the point of a number; only where `unit` is ``"number"``, the others choose their own.
        suffix: What is written behind a number, such as ``" kg"``.
    """

    field: Path
    most: Most = MOST
    unit: Unit = "number"
    decimals: Annotated[int, msgspec.Meta(ge=0, le=6)] = 0
    suffix: str = ""

    def __post_init__(self) -> None:
        if self.decimals and self.unit != "number":
            message = f"a number of the unit {self.unit} has as many digits as it needs: leave decimals out"
            raise ValueError(message)


class Count(Eventful, frozen=True, kw_only=True, tag="count"):
    """``kind = "count"``: how many events."""


class Sum(Numeric, frozen=True, kw_only=True, tag="sum"):
    """``kind = "sum"``: the sum of a field."""


class Mean(Numeric, frozen=True, kw_only=True, tag="mean"):
    """``kind = "mean"``: the arithmetic mean of a field.

    Args:
        change: Its change is told ``"relative"`` (18%) or as a ``"difference"`` (2.4).
    """

    change: Literal["relative", "difference"] = "relative"


class Percentiles(Numeric, frozen=True, kw_only=True, tag="percentiles"):
    """``kind = "percentiles"``: p50, p95 and p99 of a field, by the nearest rank."""


class Groups(Numeric, frozen=True, kw_only=True, tag="groups"):
    """``kind = "groups"``: percentiles of a field for each value of another, or for each key of a mapping.

    Args:
        by: The field with the text to group by; empty where `field` is a mapping of numbers by name.
        rows: How many are shown, those with the largest sums; all others share one more.
    """

    by: str = ""
    rows: Rows = 20


class Distinct(Eventful, frozen=True, kw_only=True, tag="distinct"):
    """``kind = "distinct"``: how many different texts a field has.

    Args:
        field: The field with the text.
    """

    field: Path


class Sessions(Measure, frozen=True, kw_only=True, tag="sessions"):
    """``kind = "sessions"``: sessions of all events: different session ids, and requests without one."""


class Share(Eventful, frozen=True, kw_only=True, tag="share"):
    """``kind = "share"``: the share of events whose field fulfils a condition, among those that carry the field.

    Args:
        field: The field: a text, a number, or true and false, as the condition is.
        hit: The condition.
        among: The texts that the field may have; any other is unusable. Empty for any text.
    """

    field: Path
    hit: Condition
    among: tuple[str, ...] = ()


class Ratio(Measure, frozen=True, kw_only=True, tag="ratio"):
    """``kind = "ratio"``: one count or sum as a share of another.

    Args:
        part: Name of a measure of the kind ``count`` or ``sum``.
        whole: Name of another one.
    """

    part: str
    whole: str


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the choices of a `Split`.

    Args:
        name: What it is called in a chart, and behind the point in a reference.
        when: The condition on the field; the first choice that fits counts.
        label: Its name in a table; empty for `name`.
        better: As for a measure.
        tone: Its colour: ``"good"`` (green), ``"middling"`` (yellow), ``"bad"`` (red), ``"low"`` (blue), ``"high"`` and
            ``"now"`` (orange) or ``"before"`` (grey).
    """

    name: Annotated[str, msgspec.Meta(min_length=1)]
    when: Condition
    label: str = ""
    better: Better = "neither"
    tone: Tone = "low"


class Split(Eventful, frozen=True, kw_only=True, tag="split"):
    """``kind = "split"``: how many events fall to each of a few choices by one field.

    Args:
        field: The field; a value that fits no choice is unusable.
        choices: The choices, ``[[measures.NAME.choices]]``.
    """

    field: Path
    choices: Annotated[tuple[Choice, ...], msgspec.Meta(min_length=2, max_length=12)]


class Also(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another event that the same request must have.

    Args:
        event: Its type.
        where: Conditions on it.
        note: The field of it that is shown below the row; empty for none.
    """

    event: str
    where: dict[str, Condition] = {}
    note: str = ""


class Top(Eventful, frozen=True, kw_only=True, tag="top"):
    """``kind = "top"``: the most frequent values of a field, without regard to case.

    Args:
        field: The field.
        form: ``"text"``, ``"list"`` (of texts; each counts once an event) or ``"number"`` (whole ones).
        note: Another field of the event, shown below the row; empty for none.
        also: Only requests count, each once, that have this event as well.
        rows: How many are shown.
    """

    field: Path
    form: Literal["text", "list", "number"] = "text"
    note: str = ""
    also: Also | None = None
    rows: Rows = 10

    def __post_init__(self) -> None:
        if self.also is not None and (self.form != "text" or self.note):
            raise ValueError("a top with also reads one text, and its note stands in also: leave form and note out")


class Models(Eventful, frozen=True, kw_only=True, tag="models"):
    """``kind = "models"``: tokens and cost of each model, by the prices in ``[report.prices]``.

    Args:
        model: The field with the model's name.
        input: The field with the tokens it read.
        output: The field with the tokens it wrote.
        most: The most tokens of one event that are believed.
        rows: How many are shown, those with the most tokens; all others share one more.
    """

    model: Path = "model"
    input: Path = "input_tokens"
    output: Path = "output_tokens"
    most: Most = 100_000_000
    rows: Rows = 20


class Pairs(Eventful, frozen=True, kw_only=True, tag="pairs"):
    """``kind = "pairs"``: requests with one event that lack another.

    Args:
        without: Type of the event that should be there, too.
        show: The field of the first event that tells a reader which it is; empty for none.
        rows: How many of them are named, the earliest first.
    """

    without: str
    show: str = ""
    rows: Rows = 5


Kind = Count | Sum | Mean | Percentiles | Groups | Distinct | Sessions | Share | Ratio | Split | Top | Models | Pairs
