"""A report definition: what a report measures and shows, as a TOML file says it.

Its tables::

    [measures.NAME]       what is measured; there are several kinds
    [headline]            the sentence at the top, and the subject of the mail
    [[notices]]           what is put at the top where a value is out of bounds
    [[tiles]]             the headline numbers
    [[sections]]          everything else: a title, and [[sections.blocks]] below it

What is shown names what is measured by a reference: the name of a measure, or one of its values behind a point, as in
``speed.p95``. What a measure has to offer::

    count, sum              total
    mean                    mean
    percentiles             p50, p95, p99, count; p95 where none is named
    distinct, sessions      count
    share, ratio            share, part, whole; share where none is named
    split                   each of its choices, as a share; all of them in a table or a stacked chart
    top                     total
    models                  tokens, cost; tokens where none is named
    pairs                   missing, share, unexpected; missing where none is named

In a sentence a reference stands in braces and is replaced by its value in words, with its nouns where the measure has
some: ``"{orphans.missing} got no response."`` A sentence of which a value is not known is left out.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from fireforget.reporting.conditions import check_range
from fireforget.reporting.kinds import Kind

Text = Annotated[str, msgspec.Meta(min_length=1)]


class Declared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all tables of a definition have in common: an unknown key is an error."""


class Headline(Declared, frozen=True, kw_only=True):
    """``[headline]``: the period in a sentence or two.

    Args:
        count: Reference to what is counted, a measure of the kind ``count`` with `nouns`; its change is told, too.
        across: Reference to a measure with `nouns` that it is spread over, such as sessions; empty for none.
        sentences: Further sentences.
    """

    count: Text
    across: str = ""
    sentences: tuple[Text, ...] = ()


class Notice(Declared, frozen=True, kw_only=True):
    """``[[notices]]``: a sentence at the top, where a value is out of bounds.

    Args:
        value: Reference to the value.
        text: The sentence.
        at_least: It is said from this value on.
        below: It is said below this value.
    """

    value: Text
    text: Text
    at_least: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        if self.at_least is None and self.below is None:
            raise ValueError("a notice needs at_least, below or both")
        check_range(self.at_least, self.below)


class Shown(Declared, frozen=True, kw_only=True):
    """A tile of ``[[tiles]]``, or a row of a table. What has no data in this period nor in the one before is left out.

    Args:
        value: Reference to the value.
        label: Its name; empty for the label of the measure, with the value behind it: ``Speed (p95)``.
    """

    value: Text
    label: str = ""


class Block(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="show"):
    """What all kinds of blocks have in common: ``[[sections.blocks]]``, which of them is said by ``show``."""


class ChartBlock(Block, frozen=True, kw_only=True, tag="chart"):
    """``show = "chart"``: values over the hours, days, weeks or months of the period.

    Args:
        title: What it shows.
        draw: ``"bars"``: one value, beside that of the period before. ``"stack"``: the choices of a split, on each
            other. ``"lines"``: up to four values of the same unit.
        values: References to the values.
    """

    title: Text
    draw: Literal["bars", "stack", "lines"]
    values: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, max_length=4)]


class TableBlock(Block, frozen=True, kw_only=True, tag="table"):
    """``show = "table"``: values, beside those of the period before, and how they changed.

    Args:
        rows: References, or tables ``{ value = "speed.p50", label = "Half within" }``. What has no data in this period
            nor in the one before is left out.
    """

    rows: Annotated[tuple[str | Shown, ...], msgspec.Meta(min_length=1)]


class RankingBlock(Block, frozen=True, kw_only=True, tag="ranking"):
    """``show = "ranking"``: the most frequent values of a ``top``.

    Args:
        measure: Its name.
        title: What is ranked.
        counted: Head of the column with the counts.
    """

    measure: Text
    title: Text
    counted: str = "Times"


class GroupsBlock(Block, frozen=True, kw_only=True, tag="groups"):
    """``show = "groups"``: percentiles and share of each group of ``groups``.

    Args:
        measure: Its name.
        title: What the groups are.
    """

    measure: Text
    title: Text


class ModelsBlock(Block, frozen=True, kw_only=True, tag="models"):
    """``show = "models"``: what each model of ``models`` used and cost.

    Args:
        measure: Its name.
        counted: Head of the column with the number of events.
    """

    measure: Text
    counted: str = "Responses"


class ExamplesBlock(Block, frozen=True, kw_only=True, tag="examples"):
    """``show = "examples"``: the first requests of ``pairs`` that lack an event.

    Args:
        measure: Its name.
        title: What they are.
    """

    measure: Text
    title: Text


class EventsBlock(Block, frozen=True, kw_only=True, tag="events"):
    """``show = "events"``: how many events there were of the types that no measure names.

    Args:
        title: What they are called.
    """

    title: str = "Other events"


class PipelineBlock(Block, frozen=True, kw_only=True, tag="pipeline"):
    """``show = "pipeline"``: what became of the events on their way, and values that could not be used."""


AnyBlock = (
    ChartBlock | TableBlock | RankingBlock | GroupsBlock | ModelsBlock | ExamplesBlock | EventsBlock | PipelineBlock
)


class SectionShown(Declared, frozen=True, kw_only=True):
    """``[[sections]]``: a heading and the blocks below it; left out where none of them has anything to show.

    Args:
        title: The heading.
        blocks: The blocks.
    """

    title: Text
    blocks: Annotated[tuple[AnyBlock, ...], msgspec.Meta(min_length=1)]


class Definition(Declared, frozen=True, kw_only=True):
    """A whole definition.

    Args:
        headline: The sentence at the top.
        measures: What is measured, by name.
        notices: What is put at the top where it is out of bounds.
        tiles: The headline numbers.
        sections: Everything else.
    """

    headline: Headline
    measures: dict[str, Kind]
    notices: tuple[Notice, ...] = ()
    tiles: tuple[Shown, ...] = ()
    sections: tuple[SectionShown, ...] = ()

    @property
    def charted(self) -> frozenset[str]:
        """Names of the measures that are also measured over time."""
        blocks = (block for section in self.sections for block in section.blocks if isinstance(block, ChartBlock))
        return frozenset(value.partition(".")[0] for block in blocks for value in block.values)
