"""From the figures to the document: the words of a report, as its definition has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fireforget.reporting import kinds
from fireforget.reporting.beside import Beside
from fireforget.reporting.document import Cell, Document, Tile
from fireforget.reporting.sections import sections
from fireforget.reporting.values import Value, fill
from fireforget.reporting.wording import NOTHING, change, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fireforget.reporting.figures import Figures
    from fireforget.reporting.report import Health, Report

WORTH_NOTICE: Final = 0.01
"""From this share of events on, values that could not be used are put at the top."""


def compose(report: Report) -> Document:
    """Put a report in words. Pure: the same report gives the same document."""
    beside = Beside(report)
    return Document(
        title=report.title,
        heading=report.period.label,
        span=_span(report),
        summary=_nothing(report) if report.empty else _summary(report),
        notices=tuple(_notices(report)),
        tiles=() if report.empty else tuple(_tiles(report, beside)),
        sections=tuple(sections(beside, only_pipeline=report.empty)),
        footnotes=tuple(_footnotes(report)),
    )


def subject(report: Report) -> str:
    """The report in one line, for the subject of a mail: nothing in it comes from an event."""
    headline = f"{report.title}: {report.period.label}"
    if report.empty:
        return f"{headline}, no data"
    counted = _counted(report)
    difference = counted.changed(report.figures, report.before).text if counted.number(report.before) else ""
    return f"{headline}, {counted.phrase(report.figures)} {difference}".rstrip()


def _counted(report: Report) -> Value:
    return Value(report.definition.headline.count, report.definition.measures)


def _span(report: Report) -> str:
    span = report.period.span
    if span in report.period.label:
        return report.period.zone
    return f"{span}, {report.period.zone}"


def _summary(report: Report) -> str:
    now, measures, headline = report.figures, report.definition.measures, report.definition.headline
    across = f" in {Value(headline.across, measures).phrase(now)}" if headline.across else ""
    text = f"{_counted(report).phrase(now)}{across}{_compared(report)}."
    sentences = (fill(sentence, now, measures) for sentence in headline.sentences)
    return " ".join([text, *(sentence for sentence in sentences if sentence is not None)])


def _compared(report: Report) -> str:
    """The end of the sentence that says how many there were."""
    counted = _counted(report)
    now, was = counted.number(report.figures), counted.number(report.before)
    by = change(now, was)
    before = f"the {report.period.noun} before"
    _, many = counted.measure.nouns or ("", "")
    if not was:
        return f"; there were none {before}"
    if by.direction == "same":
        return f", about as many {many} as {before}"
    if by.size.startswith("×"):
        return f", {by.size[1:]} times the {many} {before}"
    return f", {by.size} {'more' if by.direction == 'up' else 'fewer'} {many} than {before}"


def _nothing(report: Report) -> str:
    noun, before = report.period.noun, report.before
    counted = _counted(report)
    text = f"No data: the store has no event of this {noun}."
    if counted.number(before):
        return f"{text} The {noun} before had {counted.phrase(before)}."
    if before.events.total:
        return f"{text} The {noun} before had {plural(before.events.total, 'event')}."
    return f"{text} The {noun} before had none either."


def _notices(report: Report) -> Iterator[str]:
    if report.unfinished and report.as_of is not None:
        moment = report.period.local(report.as_of)
        yield (
            f"This {report.period.noun} has not ended: the figures stand as of {moment:%Y-%m-%d %H:%M}, beside those "
            f"of the whole {report.period.noun} before."
        )
    if report.empty and report.before.events.total and not report.unfinished:
        yield "The events have stopped: check that the application still emits, and that the pipeline runs."
    yield from _declared(report)
    yield from _flaws(report.figures)
    if report.health is not None:
        yield from _losses(report.health)


def _declared(report: Report) -> Iterator[str]:
    """What the definition puts at the top."""
    measures = report.definition.measures
    for notice in report.definition.notices:
        number = Value(notice.value, measures).number(report.figures)
        if number is None or (notice.at_least is not None and number < notice.at_least):
            continue
        text = fill(notice.text, report.figures, measures)
        if text is not None and (notice.below is None or number < notice.below):
            yield text


def _flaws(figures: Figures) -> Iterator[str]:
    if figures.unreadable:
        yield (
            f"{plural(figures.unreadable, 'event')} could not be read: a newer version of the application "
            "wrote them, or an upcaster failed."
        )
    unusable = sum(field.count for field in figures.unusable)
    if unusable and unusable >= WORTH_NOTICE * figures.events.total:
        yield f"{plural(unusable, 'value')} in events could not be used; the pipeline's section says which."


def _losses(health: Health) -> Iterator[str]:
    """What was lost, and what waits for somebody. The journals' counts are of all time, so this says so."""
    if health.dead_letters:
        letters = plural(health.dead_letters, "message")
        yield f"{letters} in the dead letters now: 'fireforget dead-letters' says why; mend it, and redrive."
    for count, fate in (
        (health.dead_lettered, "refused by the queue for good: 'fireforget dead-letters' says why"),
        (health.dropped, "dropped, as the journal was full: raise its max_bytes, or see why the queue is slow"),
        (health.corrupt, "lost to damage of the journal's files: check the disk"),
    ):
        if count:
            verb = "was" if count == 1 else "were"
            yield f"Since the journals were made, {plural(count, 'event')} {verb} {fate}."
    if health.unread:
        journals = plural(health.unread, "journal")
        yield f"{journals} could not be read, so these counts are too low: 'fireforget journal list' says why."
    if health.unaccounted:
        yield f"{plural(abs(health.unaccounted), 'event')} unaccounted for: the pipeline's counts do not add up."


def _tiles(report: Report, beside: Beside) -> Iterator[Tile]:
    """The headline numbers; of what has no data in this period nor in the one before there is none."""
    now, before = report.figures, report.before
    for tile in report.definition.tiles:
        value = Value(tile.value, report.definition.measures)
        if not beside.known(value):
            continue
        words, note = value.words(now), value.caveat(now)
        if words == NOTHING:
            note = note or f"no data; {value.words(before)} the {report.period.noun} before"
        by = value.changed(now, before)
        told = not (note or beside.alone)
        yield Tile(tile.label or value.label, words, Cell(by.text, by.mood) if told else Cell(), note)


def _footnotes(report: Report) -> Iterator[str]:
    counts = "An event counts in the period of its request."
    if report.before.events.total:
        yield f"{counts} Changes are against the period before it, of the same kind."
    else:
        yield f"{counts} The period before it has no events, so nothing is compared."
    if not report.empty:
        measured = report.definition.measures.values()
        if any(isinstance(measure, kinds.Sessions) for measure in measured):
            yield "A session is a session id; a request without one counts as a session of its own."
        if any(isinstance(measure, kinds.Percentiles | kinds.Groups) for measure in measured):
            yield (
                "A percentile is by the nearest rank: p95 is the smallest value that at least 95% of the values did "
                "not exceed."
            )
    if report.as_of is not None:
        yield f"Made {report.period.local(report.as_of):%Y-%m-%d %H:%M} ({report.period.zone})."
