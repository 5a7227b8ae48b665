"""From the figures to the document: the words of the reference report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fireforget.reporting import wording
from fireforget.reporting.beside import Beside
from fireforget.reporting.document import Cell, Document, Section, Tile
from fireforget.reporting.sections import SECTIONS, pipeline
from fireforget.reporting.wording import Better, Change, change, duration, percent, plural, points, quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fireforget.reporting.figures import Figures
    from fireforget.reporting.report import Health, Report

WORTH_NOTICE: Final = 0.01
"""From this share of queries or events on, a flaw is put at the top."""


def compose(report: Report) -> Document:
    """Put a report in words. Pure: the same report gives the same document."""
    beside = Beside(report)
    if report.empty:
        tiles: tuple[Tile, ...] = ()
        sections: tuple[Section | None, ...] = (pipeline(beside),)
    else:
        tiles = tuple(_tiles(beside))
        sections = tuple(section(beside) for section in SECTIONS)
    return Document(
        title=report.title,
        heading=report.period.label,
        span=_span(report),
        summary=_nothing(report) if report.empty else _summary(report),
        notices=tuple(_notices(report)),
        tiles=tiles,
        sections=tuple(section for section in sections if section is not None),
        footnotes=tuple(_footnotes(report)),
    )


def subject(report: Report) -> str:
    """The report in one line, for the subject of a mail: nothing in it comes from an event."""
    headline = f"{report.title}: {report.period.label}"
    if report.empty:
        return f"{headline}, no data"
    now, before = report.figures.queries, report.before.queries
    difference = change(now, before).text if before else ""
    return f"{headline}, {plural(now, 'query', 'queries')} {difference}".rstrip()


def _span(report: Report) -> str:
    span = report.period.span
    if span in report.period.label:
        return report.period.zone
    return f"{span}, {report.period.zone}"


def _summary(report: Report) -> str:
    now = report.figures
    queries = plural(now.queries, "query", "queries")
    sessions = wording.uniques(now.sessions.identified, now.sessions.anonymous)
    text = f"{queries} in {sessions} {'session' if now.sessions.count == 1 else 'sessions'}"
    text += _compared(report) + "."
    if now.quality.matched.whole:
        text += f" {percent(now.quality.matched.share)} of the responses found a match."
    if now.speed.p95 is not None:
        text += f" 95% of all responses took at most {duration(now.speed.p95)}."
    return text


def _compared(report: Report) -> str:
    """The end of the sentence that says how many queries there were."""
    by = change(report.figures.queries, report.before.queries)
    before = f"the {report.period.noun} before"
    if not report.before.queries:
        return f"; there were none {before}"
    if by.direction == "same":
        return f", about as many queries as {before}"
    if by.size.startswith("×"):
        return f", {by.size[1:]} times the queries {before}"
    return f", {by.size} {'more' if by.direction == 'up' else 'fewer'} queries than {before}"


def _nothing(report: Report) -> str:
    noun, before = report.period.noun, report.before
    text = f"No data: the store has no event of this {noun}."
    if before.queries:
        return f"{text} The {noun} before had {plural(before.queries, 'query', 'queries')}."
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
    yield from _flaws(report.figures)
    if report.health is not None:
        yield from _losses(report.health)


def _flaws(figures: Figures) -> Iterator[str]:
    orphans = figures.orphans.queries
    if (orphans.share or 0) >= WORTH_NOTICE:
        yield f"{plural(orphans.part, 'query', 'queries')} ({percent(orphans.share)}) got no response."
    if figures.unreadable:
        yield (
            f"{plural(figures.unreadable, 'event')} could not be read: a newer version of the application "
            "wrote them, or an upcaster failed."
        )
    unusable = sum(field.count for field in figures.unusable)
    if unusable and unusable >= WORTH_NOTICE * figures.events.total:
        yield f"{plural(unusable, 'value')} in events could not be used; the pipeline's section says which."


def _losses(health: Health) -> Iterator[str]:
    for count, fate in (
        (health.dead_lettered, "went to the dead letters: see why, mend it, and redrive"),
        (health.dropped, "dropped, since the journal was full: raise its max_bytes, or see why the queue is slow"),
        (health.corrupt, "lost to damage of the journal's files: check the disk"),
    ):
        if count:
            yield f"{plural(count, 'event')} {fate}."
    if health.unaccounted:
        yield f"{plural(abs(health.unaccounted), 'event')} unaccounted for: the pipeline's counts do not add up."


def _tiles(beside: Beside) -> Iterator[Tile]:
    now, before = beside.now, beside.before

    def tile(label: str, value: str, by: Change) -> Tile:
        return Tile(label, value, Cell(by.text, by.mood))

    def counted(label: str, text: str, pair: tuple[int, int], better: Better) -> Tile:
        return tile(label, text, change(*pair, better))

    yield counted("Queries", quantity(now.queries), (now.queries, before.queries), "more")
    sessions = wording.uniques(now.sessions.identified, now.sessions.anonymous)
    yield counted("Sessions", sessions, (now.sessions.count, before.sessions.count), "more")
    matched, was = now.quality.matched, before.quality.matched
    yield tile("Matched", percent(matched.share), points(matched.share, was.share, "more"))
    yield tile("Time (p95)", duration(now.speed.p95), change(now.speed.p95, before.speed.p95, "less"))
    yield tile("Cache hits", percent(now.cache.share), points(now.cache.share, before.cache.share, "more"))
    note = "no price given" if now.unpriced and not now.cost else "some have no price" if now.unpriced else ""
    cost = Tile("Model cost", wording.moneys(now.cost), Cell(), note)
    yield cost if note else tile(cost.label, cost.value, beside.cost_change)


def _footnotes(report: Report) -> Iterator[str]:
    yield "An event counts in the period of its request. Changes are against the period before it, of the same kind."
    if not report.empty:
        yield (
            "A session is a session id; a request without one counts as a session of its own. A percentile is by the "
            "nearest rank: p95 is the smallest time that at least 95% of the responses did not exceed."
        )
    if report.as_of is not None:
        yield f"Made {report.period.local(report.as_of):%Y-%m-%d %H:%M} ({report.period.zone})."
