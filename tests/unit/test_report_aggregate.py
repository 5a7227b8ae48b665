from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import stamina

from fireforget._configuration import settings_from
from fireforget._event import Event
from fireforget._schema import EventTypes
from fireforget.abc import Record
from fireforget.errors import TransientError
from fireforget.local.memory import MemoryStore
from fireforget.reporting import Period, Report, aggregate, render_text
from fireforget.reporting.figures import Average, Money, Ranked, Ratio, Spread, Uniques
from tests.reports import (
    AFTER,
    HOSTILE,
    MONDAY,
    PRICED,
    WEEK,
    ListStore,
    Questions,
    asked,
    busy_week,
    event,
    full,
    moment,
    report_of,
    uuid,
)


@pytest.fixture
def _without_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=5)
    yield
    stamina.set_testing(False)


def figures(*events: Event, types: EventTypes | None = None) -> Questions:
    return Questions(report_of(events, types=types).figures)


def test_the_figures_of_a_week() -> None:
    known = figures(
        *asked("Rust?", full(), sessionid="a"),
        *asked("rust?", full(match_type="partial", match_score=60, processing_ms=300, cache_hit=True), sessionid="a"),
        *asked("Cobol?", full(match_type="none", match_score=0, reasoning="No Cobol.", matched_skills=[])),
        event("signup", {}),
    )

    assert (known.queries, known.responses) == (3, 3)
    assert known.events.rows == (Ranked("query", 3), Ranked("response", 3), Ranked("signup", 1))
    assert (known.sessions.identified, known.sessions.anonymous) == (Uniques(1), 2)
    assert known.match == {"Full": 1, "Partial": 1, "None": 1}
    assert known.score == Average(3, 50.0)
    assert known.matched == Ratio(2, 3)
    assert known.speed == Spread(3, 100, 300, 300)
    assert [(part.name, part.total) for part in known.parts] == [("answer", 270.0), ("embed", 30.0)]
    assert known.cache == Ratio(1, 3)
    assert [(used.model, used.responses, used.input_tokens, used.output_tokens) for used in known.models] == [
        ("gpt-x", 3, 3000, 600)
    ]
    assert known.top_queries.rows == (Ranked("Rust?", 2), Ranked("Cobol?", 1))
    assert known.top_sources.rows == (Ranked("website", 3),)
    assert known.top_skills.rows == (Ranked("Rust", 2),)
    assert known.missed.rows == (Ranked("Cobol?", 1, "No Cobol."),)
    assert known.orphans.missing == Ratio(0, 3)
    assert known.unusable == ()


def test_the_period_before_is_read_beside_it() -> None:
    events = [
        *asked("now", full()),
        *asked("then", full(), time=moment(-1)),
        *asked("then", time=moment(-7)),
        *asked("long ago", time=moment(-7.01)),
        *asked("later", time=moment(7)),
    ]
    report = report_of(events)

    assert [row.label for row in Questions(report.figures).top_queries.rows] == ["now"]
    assert Questions(report.before).top_queries.rows == (Ranked("then", 2),)
    assert (Questions(report.before).queries, Questions(report.before).responses) == (2, 1)


def test_running_it_twice_gives_the_same() -> None:
    events = busy_week()

    once, again = report_of(events), report_of(reversed(events))

    assert once == again
    assert msgspec.json.encode(once) == msgspec.json.encode(again)


def test_a_report_goes_through_json() -> None:
    report = report_of(busy_week())

    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_a_query_without_a_response_is_an_orphan() -> None:
    lost = asked("lost", time=moment(2))
    known = figures(*asked("answered", full()), *lost).orphans

    assert known.missing == Ratio(1, 2)
    assert [(orphan.text, orphan.time) for orphan in known.first] == [("lost", moment(2))]
    assert known.first[0].correlationid == lost[0].correlationid


def test_only_the_first_orphans_are_named() -> None:
    known = figures(*(asked(f"lost {hour}", time=moment(hours=hour))[0] for hour in range(40))).orphans

    assert known.missing.part == 40
    assert [orphan.text for orphan in known.first] == [f"lost {hour}" for hour in range(5)]


def test_a_response_without_a_query_is_no_orphan_and_still_counts() -> None:
    known = figures(event("response", full()))

    assert (known.orphans.missing, known.orphans.unexpected) == (Ratio(0, 0), 1)
    assert (known.queries, known.responses, known.cache.whole) == (0, 1, 1)


def test_a_response_that_overtook_its_query_is_its_response() -> None:
    query, response = asked("?", full(match_type="none"))
    overtaking = msgspec.structs.replace(response, id=uuid(moment(0.4)))
    known = figures(query, overtaking)

    assert known.orphans.missing == Ratio(0, 1)
    assert [row.label for row in known.missed.rows] == ["?"]


def test_a_request_across_midnight_counts_once_on_the_day_it_began() -> None:
    """The query comes in the last millisecond of the week, its response in the next one."""
    query, response = asked("late", full(), time=moment(7, milliseconds=-1))
    assert response.time >= WEEK.end

    report = report_of([query, response])
    after = report_of([query, response], Period(WEEK.end, WEEK.end + timedelta(days=7)))

    assert (
        Questions(report.figures).queries,
        Questions(report.figures).responses,
        Questions(report.figures).orphans.missing.part,
    ) == (1, 1, 0)
    assert [piece.queries for piece in Questions(report.figures).slices] == [0, 0, 0, 0, 0, 0, 1]
    assert Questions(report.figures).slices[-1].full == 1
    assert (after.figures.events.total, Questions(after.before).queries) == (0, 1)


def test_a_late_event_counts_on_the_day_of_its_request() -> None:
    """The response alone was kept, and it came two days after it was asked for."""
    late = msgspec.structs.replace(asked("?", full(), time=moment(1))[1], time=moment(3))

    assert [piece.full for piece in figures(late).slices] == [0, 1, 0, 0, 0, 0, 0]


def test_days_are_those_of_the_zone() -> None:
    period = Period.parse("2026-W47", now=AFTER, zone="America/New_York")
    report = report_of(asked("?", time=moment(1, hours=3)), period)  # Tuesday in London, Monday in New York

    assert [piece.queries for piece in Questions(report.figures).slices] == [1, 0, 0, 0, 0, 0, 0]


def test_a_session_is_known_by_any_event_of_the_request() -> None:
    query, response = asked("?", full())
    known = figures(query, msgspec.structs.replace(response, sessionid="s"), *asked("!", full(), sessionid="s"))

    assert (known.sessions.identified, known.sessions.anonymous, known.sessions.count) == (Uniques(1), 0, 1)


def test_an_event_outside_of_any_request_is_its_own() -> None:
    known = figures(*(event("query", {"query": "?"}, correlationid="") for _ in range(3)))

    assert (known.sessions.anonymous, known.orphans.missing) == (3, Ratio(3, 3))


UNUSABLE: dict[str, tuple[Any, ...]] = {
    "match_type": ("Full", "", 1, [], {}, True, HOSTILE[0]),
    "match_score": (-1, 100.1, 10**400, "90", True, [], float("nan"), float("inf")),
    "reasoning": (1, [], {}, False),
    "matched_skills": ("Rust", 1, {"a": 1}, [1], ["Rust", None, []]),
    "processing_ms": (-0.1, 86_400_000.1, "1", True, 10**400),
    "processing_parts": ([], "x", 1, {"a": "1"}, {"a": -1}, {"a": None, "b": []}),
    "cache_hit": (0, 1, "true", []),
    "model": (1, [], {}, True),
    "input_tokens": (-1, 1.5, "1", True, 10**9, float("nan"), 10**400),
    "output_tokens": (-1, 0.5),
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in UNUSABLE for value in UNUSABLE[field]])
def test_a_value_that_cannot_be_used_is_counted_by_its_field(field: str, value: Any) -> None:
    known = figures(*asked("?", full(**{field: value})))

    assert known.unusable == (Ranked(f"response.{field}", 1),)
    assert known.responses == 1


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"query": 1}, "query.query"),
        ({"query": ["?"]}, "query.query"),
        ({"query": "?", "metadata": "website"}, "query.metadata"),
        ({"query": "?", "metadata": {"source": {}}}, "query.metadata.source"),
    ],
)
def test_so_is_one_of_a_query(data: dict[str, Any], field: str) -> None:
    assert figures(event("query", data)).unusable == (Ranked(field, 1),)


def test_a_value_that_is_missing_or_null_is_no_fault() -> None:
    nothing = dict.fromkeys(full())
    known = figures(*asked(None, nothing), *asked("?", {}), event("query", {}))

    assert known.unusable == ()
    assert (known.queries, known.responses, known.matched.whole, known.models) == (3, 2, 0, ())


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert figures(*asked("?", full(input_tokens=12.0))).models[0].input_tokens == 12


def test_of_a_long_list_only_the_beginning_is_read() -> None:
    known = figures(*asked("?", full(matched_skills=[f"skill {n}" for n in range(10_000)])))

    assert known.top_skills.total == 200


def test_older_versions_are_lifted() -> None:
    types = EventTypes()

    @types.event_type("response", version=2)
    class Response:
        pass

    @types.upcaster("response", version=1)
    def _lift(data: dict[str, Any]) -> dict[str, Any]:
        return {"processing_ms": data["ms"]}

    known = figures(*asked("?", {"ms": 40}), types=types)

    assert known.speed.p50 == 40


def test_an_event_that_cannot_be_read_counts_and_says_nothing() -> None:
    types = EventTypes()
    types.event_type("response")(type("Response", (), {}))

    @types.upcaster("query", version=1)
    def _lift(data: dict[str, Any]) -> Any:
        return data["query"] and []

    types.event_type("query", version=2)(type("Query", (), {}))
    newer = event("response", full(), dataschema="urn:fireforget:response:9")
    foreign = event("response", full(), dataschema=HOSTILE[0])
    known = figures(newer, foreign, event("query", {"query": "?"}), event("query", {}), types=types)

    assert (known.unreadable, known.responses, known.queries) == (4, 2, 2)
    assert (known.cache.whole, known.unusable, known.top_queries.total) == (0, (), 0)


def test_hostile_names_do_not_fill_the_memory() -> None:
    events = [event(f"type {n}", {}) for n in range(200)]
    events += [event("response", full(model=f"model {n}", processing_parts={f"part {n}": 1})) for n in range(200)]
    known = figures(*events)

    assert (len(known.events.rows), len(known.models), len(known.parts)) == (51, 21, 21)
    assert known.events.total == 400


@pytest.mark.usefixtures("_without_waiting")
@pytest.mark.asyncio
async def test_a_pass_that_fails_for_now_begins_again_from_its_start() -> None:
    events = [event for _ in range(3) for event in asked("?", full())]
    flaky = ListStore(events, failures=3)

    report = await aggregate(flaky, WEEK, PRICED)

    assert (Questions(report.figures).queries, len(flaky.queries)) == (3, 5)


@pytest.mark.usefixtures("_without_waiting")
@pytest.mark.asyncio
async def test_a_store_that_keeps_failing_is_given_up() -> None:
    flaky = ListStore(asked("?", full()), failures=99)

    with pytest.raises(TransientError):
        await aggregate(flaky, WEEK)
    assert len(flaky.queries) == 5


@pytest.mark.asyncio
async def test_only_the_two_periods_are_scanned_each_once() -> None:
    store = ListStore()

    report = await aggregate(store, WEEK)

    assert [(query.start, query.end) for query in store.queries] == [
        (WEEK.start, WEEK.end),
        (MONDAY - timedelta(days=7), MONDAY),
    ]
    assert report.empty
    assert (report.title, report.as_of, report.unfinished) == ("fireforget", None, False)


@pytest.mark.asyncio
async def test_a_real_store_gives_what_the_port_promises() -> None:
    """Events with a lone surrogate are left out: no store takes them."""
    store = MemoryStore("report")
    records = [Record(known) for known in busy_week() if "\\ud800" not in repr(known.data)]

    assert list(await store.put(records)) == []
    stored = await aggregate(store, WEEK, PRICED)

    assert stored == await aggregate(ListStore(record.event for record in records), WEEK, PRICED)
    await store.aclose()


def test_the_largest_groups_are_shown_however_late_they_came() -> None:
    small = [event("response", {"processing_parts": {f"part {number:03}": 1.0}}) for number in range(600)]
    large = event("response", {"processing_parts": {"late": 100.0}}, moment(6))
    report = report_of([*small, large])
    shown = Questions(report.figures).parts

    assert len(shown) == 21
    assert (shown[0].name, shown[0].total) == ("late", 100.0)
    assert (shown[-1].name, shown[-1].total, shown[-1].spread.count) == ("(all others)", 581.0, 581)
    assert "of one, up to 0.1% of everything may be among all others" in " ".join(render_text(report).split())


def test_many_models_share_a_row_and_their_cost_is_counted() -> None:
    prices = {f"model-{number}": {"input": 1.0, "output": 0.0} for number in range(30)}
    settings = settings_from({"name": "cv", "report": {"prices": prices}})
    events = [event("response", full(model=f"model-{n}", input_tokens=1000 + n, output_tokens=0)) for n in range(40)]
    usage = Questions(report_of(events, settings=settings).figures).usage

    assert [model.model for model in usage.models[:2]] == ["model-39", "model-38"]
    assert (len(usage.models), usage.models[-1].model, usage.models[-1].responses) == (21, "(all others)", 20)
    assert usage.tokens == sum(1000 + number for number in range(40))
    assert usage.cost == (Money(Decimal(sum(1000 + number for number in range(30))) / 1_000_000, "USD"),)
    assert usage.unpriced == tuple(f"model-{number}" for number in reversed(range(30, 40)))


def test_only_a_few_of_many_types_are_listed() -> None:
    events = [event(f"type.t{number}", {}) for number in range(30) for _ in range(1 + (number == 29))]
    text = render_text(report_of(events))

    assert "type.t29           2\n" in text
    assert "(all others)      20\n" in text
