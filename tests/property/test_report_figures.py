"""The whole report against the plainest way to count, and against whatever a store may hold."""

from collections import Counter
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from fireforget._event import Event
from fireforget._schema import EventTypes
from fireforget.reporting import Definition, Report, load, render_text
from fireforget.reporting.compose import compose
from fireforget.reporting.definitions import parse
from fireforget.reporting.legible import width
from fireforget.reporting.prices import PriceList
from fireforget.reporting.render_html import layout
from fireforget.reporting.survey import Survey
from tests.reports import AFTER, HOSTILE, WEEK, Questions, asked, event, full, hidden, moment, report_of

texts = st.text(max_size=30) | st.sampled_from(HOSTILE)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.just(10**400)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)
names = st.sampled_from([*full(), "query", "metadata", "source"]) | texts
hostile_events = st.builds(
    lambda kind, data, hour, session: event(kind, data, moment(hours=hour), sessionid=session),
    st.sampled_from(["query", "response"]) | texts,
    st.dictionaries(names, values, max_size=6),
    st.integers(0, 167),
    st.none() | texts,
)

answers = st.none() | st.builds(
    full,
    match_type=st.sampled_from(["full", "partial", "none"]),
    match_score=st.integers(0, 100),
    processing_ms=st.integers(0, 5000),
    cache_hit=st.booleans(),
    model=st.sampled_from(["gpt-x", "gpt-y"]),
    input_tokens=st.integers(0, 9000),
    matched_skills=st.lists(st.sampled_from(["Rust", "Go"]), max_size=3),
)
ODD = """
headline = { count = "n" }
measures.n = { kind = "count", event = "*", nouns = ["x", "xs"], where = { "metadata.source" = { except = [1, "?"] } } }
measures.sum = { kind = "sum", event = "*", field = "match_score" }
measures.mean = { kind = "mean", event = "*", field = "metadata.source" }
measures.spread = { kind = "percentiles", event = "*", field = "processing_ms" }
measures.share = { kind = "share", event = "*", field = "cache_hit", hit = { below = 5 } }
measures.split = { kind = "split", event = "*", field = "query", choices = [
    { name = "a", when = true }, { name = "b", when = false }] }
measures.top = { kind = "top", event = "*", field = "input_tokens", form = "number", note = "reasoning" }
measures.groups = { kind = "groups", event = "*", field = "input_tokens", by = "model" }
measures.ratio = { kind = "ratio", part = "sum", whole = "n" }
measures.pairs = { kind = "pairs", event = "*", without = "response", show = "metadata.source" }
sections = [{ title = "x", blocks = [
    { show = "table", rows = ["n", "sum", "mean", "spread", "share", "split", "top", "ratio", "pairs"] },
    { show = "chart", title = "s", draw = "bars", values = ["sum"] },
    { show = "ranking", title = "t", measure = "top" },
    { show = "groups", title = "g", measure = "groups" },
    { show = "examples", title = "e", measure = "pairs" },
] }]
"""
DEFINITIONS = (load("questions"), load("http"), parse(ODD, "odd"))

requests = st.lists(
    st.tuples(st.sampled_from(["a?", "b?", "c?"]), answers, st.integers(0, 167), st.none() | st.sampled_from("xyz")),
    max_size=25,
)


@given(requests)
def test_the_figures_are_those_of_the_plainest_count(known: list[tuple[str, Any, int, str | None]]) -> None:
    events = [
        one
        for text, answer, hour, session in known
        for one in asked(text, answer, time=moment(hours=hour), sessionid=session)
    ]
    figures = Questions(report_of(events).figures)
    answered = [answer for _, answer, _, _ in known if answer is not None]
    matches = Counter(answer["match_type"] for answer in answered)

    assert (figures.queries, figures.responses) == (len(known), len(answered))
    assert figures.sessions.identified.count == len({session for *_, session in known if session})
    assert figures.sessions.anonymous == sum(session is None for *_, session in known)
    assert figures.match == {kind.capitalize(): matches[kind] for kind in ("full", "partial", "none")}
    assert {row.label: row.count for row in figures.top_queries.rows} == Counter(text for text, *_ in known)
    assert {row.label: row.count for row in figures.top_skills.rows} == Counter(
        skill for answer in answered for skill in set(answer["matched_skills"])
    )
    assert {row.label: row.count for row in figures.missed.rows} == Counter(
        text for text, answer, *_ in known if answer and answer["match_type"] == "none"
    )
    assert figures.cache.part == sum(answer["cache_hit"] for answer in answered)
    assert figures.usage.tokens == sum(answer["input_tokens"] + answer["output_tokens"] for answer in answered)
    assert figures.orphans.missing.part == len(known) - len(answered)
    assert [piece.queries for piece in figures.slices] == [
        sum(day * 24 <= hour < day * 24 + 24 for _, _, hour, _ in known) for day in range(7)
    ]
    assert sum(piece.speed.count for piece in figures.slices) == figures.speed.count == len(answered)


@given(st.lists(hostile_events, max_size=12), st.sampled_from(DEFINITIONS))
@example([event("type\ud800", {"match_score": []}, moment(hours=0))], DEFINITIONS[0])
def test_whatever_the_store_holds_there_is_a_report_and_it_hides_nothing(
    events: list[Event], definition: Definition
) -> None:
    survey, before = (Survey(definition, period, EventTypes(), PriceList({})) for period in (WEEK, WEEK.previous()))
    for one in events:
        survey.add(one)
    report = Report(
        title="cv", definition=definition, period=WEEK, figures=survey.figures(), before=before.figures(), as_of=AFTER
    )
    document = compose(report)
    text = render_text(report)
    page = layout(document, {chart.name: "cid:x" for chart in document.charts})

    assert report.figures.events.total == len(events)
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
    assert max(map(width, text.splitlines())) <= 78
    assert hidden(text) == hidden(page) == set()
    assert "<script" not in page.lower()


@given(st.lists(hostile_events, max_size=12), st.sampled_from(DEFINITIONS))
def test_adding_an_event_never_raises(events: list[Event], definition: Definition) -> None:
    survey = Survey(definition, WEEK, EventTypes(), PriceList({}))
    for one in events:
        survey.add(msgspec.structs.replace(one, correlationid=str(one.data)[:40], time=one.time + timedelta(days=9)))

    assert survey.figures().events.total == len(events)
