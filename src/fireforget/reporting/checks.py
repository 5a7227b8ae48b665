"""What a definition must fulfil beyond the form of its tables: every name leads somewhere, and fits its place."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from fireforget._schema import check_type_name
from fireforget._unfit import suggest
from fireforget.errors import SchemaError, SettingsError
from fireforget.reporting import definition as shown
from fireforget.reporting import kinds
from fireforget.reporting.beside import LINES
from fireforget.reporting.conditions import form_of, is_void, texts_of
from fireforget.reporting.values import BRACES, Value, references, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fireforget.reporting.definition import Definition
    from fireforget.reporting.kinds import Kind

_CHARTED: Final = (kinds.Count, kinds.Sum, kinds.Mean, kinds.Percentiles, kinds.Share, kinds.Split)
"""Kinds of which every slice of a period can have one without keeping much."""

_BLOCKS: Final[dict[type, type]] = {
    shown.RankingBlock: kinds.Top,
    shown.GroupsBlock: kinds.Groups,
    shown.ModelsBlock: kinds.Models,
    shown.ExamplesBlock: kinds.Pairs,
}


def check(definition: Definition) -> None:
    """Refuse a definition that could not be shown.

    Raises:
        SettingsError: The message says where it is wrong and what fits.
    """
    measures = definition.measures
    for name, measure in measures.items():
        with _at(f"[measures.{name}]"):
            _check_measure(measure, measures)
    with _at("[headline]"):
        _check_headline(definition.headline, measures)
    for number, notice in enumerate(definition.notices, start=1):
        with _at(f"[[notices]] {number}"):
            _check_notice(notice, measures)
    for number, tile in enumerate(definition.tiles, start=1):
        with _at(f"[[tiles]] {number}"):
            Value(tile.value, measures)
    for number, section in enumerate(definition.sections, start=1):
        for place, block in enumerate(section.blocks, start=1):
            with _at(f"[[sections]] {number} blocks {place}"):
                _check_block(block, measures)


def _check_measure(measure: Kind, measures: Mapping[str, Kind]) -> None:
    if isinstance(measure, kinds.Eventful):
        _check_events(measure)
    match measure:
        case kinds.Share():
            _check_share(measure)
        case kinds.Split():
            _check_split(measure)
        case kinds.Ratio():
            _check_ratio(measure, measures)
        case kinds.Pairs():
            if measure.without in {"*", *measure.events}:
                message = f"without = {measure.without!r} is never missing: name a type of its own"
                raise SettingsError(message)
    for event_type in _named(measure):
        try:
            check_type_name(event_type)
        except SchemaError as error:
            raise SettingsError(str(error)) from error


def _check_events(measure: kinds.Eventful) -> None:
    if not measure.events:
        raise SettingsError("event is an empty list: name a type, or write '*' for all")
    for field, condition in measure.where.items():
        if is_void(condition):
            message = f"where lists no value for {field!r}: no event could fulfil it"
            raise SettingsError(message)


def _check_share(measure: kinds.Share) -> None:
    if is_void(measure.hit):
        raise SettingsError("hit is an empty list: name the values to be counted")
    if form_of(measure.hit) != "text" and measure.among:
        raise SettingsError("among lists texts: leave it out where hit is none")
    if measure.among and (strange := texts_of(measure.hit) - set(measure.among)):
        message = f"hit names {min(strange)!r}, which among does not list: write it there, too"
        raise SettingsError(message)


def _check_split(measure: kinds.Split) -> None:
    form_of(*(choice.when for choice in measure.choices))
    names = [choice.name for choice in measure.choices]
    if len(set(names)) < len(names):
        raise SettingsError("two choices have the same name")


def _check_ratio(measure: kinds.Ratio, measures: Mapping[str, Kind]) -> None:
    for name in (measure.part, measure.whole):
        if not isinstance(Value(name, measures).measure, kinds.Count | kinds.Sum) or name not in measures:
            message = f"{name!r} is neither a count nor a sum, of which alone a ratio is made"
            raise SettingsError(message)


def _named(measure: Kind) -> list[str]:
    """The types of events that the measure names, but for ``*``."""
    events = list(measure.events) if isinstance(measure, kinds.Eventful) else []
    events += [measure.without] if isinstance(measure, kinds.Pairs) else []
    events += [measure.also.event] if isinstance(measure, kinds.Top) and measure.also is not None else []
    return [event_type for event_type in events if event_type != "*"]


def _check_notice(notice: shown.Notice, measures: Mapping[str, Kind]) -> None:
    _check_sentence(notice.text, measures)
    value = Value(notice.value, measures)
    whole = isinstance(value.measure, kinds.Share | kinds.Split | kinds.Pairs)
    for bound in (notice.at_least, notice.below):
        if bound is not None and bound > 1 and whole and value.format.unit == "percent":
            message = (
                f"{notice.value!r} is a share from 0 to 1, and {bound:g} is above: write {bound / 100:g} for {bound:g}%"
            )
            raise SettingsError(message)


def _check_sentence(sentence: str, measures: Mapping[str, Kind]) -> None:
    for reference in references(sentence):
        Value(reference, measures)
    if {"{", "}"} & set(BRACES.sub("", sentence)):
        message = f"{sentence!r:.60} has a brace without its other one: write {{name}} for the value of a measure"
        raise SettingsError(message)


def _check_headline(headline: shown.Headline, measures: Mapping[str, Kind]) -> None:
    counted = Value(headline.count, measures)
    if not isinstance(counted.measure, kinds.Count) or counted.measure.nouns is None:
        message = f"count = {headline.count!r} is no measure of the kind count that has nouns"
        raise SettingsError(message)
    if headline.across and Value(headline.across, measures).measure.nouns is None:
        message = f"across = {headline.across!r} needs a measure that has nouns"
        raise SettingsError(message)
    for sentence in headline.sentences:
        _check_sentence(sentence, measures)


def _check_block(block: shown.AnyBlock, measures: Mapping[str, Kind]) -> None:
    match block:
        case shown.ChartBlock():
            _check_chart(block, measures)
        case shown.TableBlock():
            for row in block.rows:
                values = values_of(row if isinstance(row, str) else row.value, measures)
                if len(values) > 1 and not isinstance(row, str) and row.label:
                    raise SettingsError("a row for each choice cannot have one label: name it in the choices")
        case shown.RankingBlock() | shown.GroupsBlock() | shown.ModelsBlock() | shown.ExamplesBlock():
            wanted = _BLOCKS[type(block)]
            fitting = [name for name, measure in measures.items() if isinstance(measure, wanted)]
            if block.measure not in fitting:
                kind = wanted.__struct_config__.tag  # type: ignore[attr-defined]
                message = (
                    f"measure = {block.measure!r} is no measure of the kind {kind}{suggest(block.measure, fitting)}"
                )
                raise SettingsError(message)


def _check_chart(block: shown.ChartBlock, measures: Mapping[str, Kind]) -> None:
    values = [value for reference in block.values for value in values_of(reference, measures)]
    for value in values:
        if not isinstance(value.measure, _CHARTED):
            known = ", ".join(str(kind.__struct_config__.tag) for kind in _CHARTED)
            message = f"{value.name!r} cannot be drawn over time: only the kinds {known} can"
            raise SettingsError(message)
    if block.draw == "stack" and not (len(block.values) == 1 and len({value.name for value in values}) < len(values)):
        raise SettingsError("a stack draws one split, with all its choices: name that measure alone")
    if block.draw == "lines" and len(values) > len(LINES):
        message = f"one chart has at most {len(LINES)} lines: name the choices that are worth one"
        raise SettingsError(message)
    if block.draw == "bars" and len(values) != 1:
        raise SettingsError("bars draw one value beside that of the period before: name one")
    if len({(value.name, value.facet) for value in values}) < len(values):
        raise SettingsError("one chart draws a value once: name each only once")
    if len({value.format for value in values}) > 1:
        raise SettingsError("one chart has one scale: draw values of different units in charts of their own")


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Say in a message where it belongs."""
    try:
        yield
    except SettingsError as error:
        message = f"{place}: {error}"
        raise SettingsError(message) from None
