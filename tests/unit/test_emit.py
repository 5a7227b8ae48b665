"""`emit`: what is accepted, what is not and how that is counted, and that it never raises."""

import asyncio
import gc
import itertools
import signal
import sys
import threading
import timeit
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import msgspec
import pytest
from cloudevents.core.formats.json import JSONFormat

from fireforget import EventTypes
from fireforget._encode import MAX_DEPTH
from fireforget._event import encode_event, uuid7_text, uuid7_time
from fireforget._journal import Options
from fireforget._journal.segment_file import SegmentFile
from fireforget.errors import JournalError
from fireforget.testing.clock import START, ManualClock
from tests.emitting import Pen, correlated

TYPES = EventTypes()


@TYPES.event_type("order", version=2)
class Order(msgspec.Struct):
    total: float
    items: list[str] = []


@TYPES.event_type("click")
@dataclass
class Click:
    x: int


class Stranger(msgspec.Struct):
    a: int = 1


@pytest.fixture
def pen() -> Pen:
    return Pen(types=TYPES)


# What is accepted


def test_an_event_is_in_the_journal_when_emit_returns() -> None:
    pen = Pen(clock=ManualClock())

    event_id = pen.emit("query", {"text": "shoes"})

    (event,) = pen.read()
    assert event.id == str(event_id)
    assert (event.source, event.type, event.data, event.time) == ("pen", "query", {"text": "shoes"}, START)
    assert (event.correlationid, event.sessionid, event.dataschema) == ("", None, None)
    assert pen.counts.accepted == pen.counts.pending == 1


def test_the_cloudevents_sdk_reads_what_was_emitted(pen: Pen) -> None:
    with correlated(sessionid="s-1") as context:
        pen.emit("query", {"text": "grüße\uffff"}, {"subject": "cart", "region": "eu"})
    (event,) = pen.read()

    read = JSONFormat().read(None, encode_event(event))

    assert read.get_data() == {"text": "grüße\uffff"}
    assert (read.get_id(), read.get_subject()) == (event.id, "cart")
    assert read.get_extension("correlationid") == context.correlationid
    assert read.get_extension("sessionid") == "s-1"
    assert read.get_extension("region") == "eu"


def test_ids_sort_by_the_time_of_their_events(pen: Pen) -> None:
    ids = [str(pen.emit("query", {"n": n})) for n in range(1000)]

    events = pen.read()

    moments = [event.time for event in sorted(events, key=lambda event: event.id)]
    assert [event.id for event in events] == ids
    assert all(later - earlier >= timedelta(microseconds=-1) for earlier, later in itertools.pairwise(moments))
    assert all(uuid7_time(event.id) is not None for event in events)


def test_ids_of_later_moments_sort_after_those_of_earlier_ones() -> None:
    clock = ManualClock()
    pen = Pen(clock=clock)
    ids = []
    for _ in range(100):
        ids.append(str(pen.emit("query", {})))
        clock.advance(0.000_001)

    assert ids == sorted(ids)


def test_an_event_without_data_is_empty(pen: Pen) -> None:
    pen.emit("ping")
    pen.emit("ping", None)
    pen.emit("ping", {})

    assert [event.data for event in pen.read()] == [{}, {}, {}]


def test_later_changes_of_the_data_change_nothing(pen: Pen) -> None:
    data: dict[str, Any] = {"tags": ["a"]}
    for _ in range(2):  # the slow path first, then the fast one
        pen.emit("query", data)
    data["tags"].append("b")
    data["more"] = 1

    assert [event.data for event in pen.read()] == [{"tags": ["a"]}] * 2


@pytest.mark.parametrize("size", [0, 50, 300, 5000])
def test_events_of_any_modest_size_are_accepted_again_and_again(pen: Pen, size: int) -> None:
    for n in range(5):
        pen.emit("query", {"n": n, "text": "ä" * size})

    assert [event.data["n"] for event in pen.read()] == [0, 1, 2, 3, 4]


def test_an_instance_of_a_registered_class_is_its_own_data(pen: Pen) -> None:
    for total in (1.5, 2.5, 3.5):  # the later ones take the fast path
        pen.emit(Order(total, ["a"]))
    pen.emit(Click(7))

    events = pen.read()

    assert [(event.type, event.data) for event in events] == [
        ("order", {"total": 1.5, "items": ["a"]}),
        ("order", {"total": 2.5, "items": ["a"]}),
        ("order", {"total": 3.5, "items": ["a"]}),
        ("click", {"x": 7}),
    ]
    assert [event.dataschema for event in events] == ["urn:fireforget:order:2"] * 3 + ["urn:fireforget:click:1"]
    assert TYPES.read(events[0]) == Order(1.5, ["a"])


def test_a_registered_type_may_be_emitted_by_its_name(pen: Pen) -> None:
    pen.emit("order", {"total": 1.5})
    pen.emit("order", Order(2.5))

    assert [TYPES.read(event) for event in pen.read()] == [Order(1.5), Order(2.5)]


def test_an_event_stored_as_version_1_is_read_as_version_2() -> None:
    old, new = EventTypes(), EventTypes()
    old.event_type("order", version=1)(msgspec.defstruct("Order", [("sum", float)]))
    new.event_type("order", version=2)(Order)
    new.upcaster("order", version=1)(lambda data: {"total": data["sum"]})
    pen = Pen(types=old)

    pen.emit("order", {"sum": 4.5})

    assert new.read(pen.read()[0]) == Order(4.5)


# Attributes


def test_events_of_one_request_share_its_attributes(pen: Pen) -> None:
    with correlated(1, "s-1") as first:
        for _ in range(3):
            pen.emit("query", {})
    with correlated(2) as second:
        pen.emit("query", {})
    pen.emit("query", {})

    events = pen.read()

    assert [event.correlationid for event in events] == [first.correlationid] * 3 + [second.correlationid, ""]
    assert [event.sessionid for event in events] == ["s-1"] * 3 + [None, None]


def test_a_session_that_becomes_known_is_carried_by_later_events(pen: Pen) -> None:
    with correlated() as context:
        pen.emit("query", {})
        context.sessionid = "s-2"
        pen.emit("query", {})
        pen.emit("query", {})

    assert [event.sessionid for event in pen.read()] == [None, "s-2", "s-2"]


def test_attributes_are_for_one_event_alone(pen: Pen) -> None:
    theirs = uuid7_text(1_750_000_000_000_000_000, 77)
    with correlated(1, "s-1") as context:
        pen.emit("query", {}, {"sessionid": "s-9", "requestid": "r", "subject": "cart", "shard": 3, "beta": True})
        pen.emit("query", {}, {"correlationid": theirs, "traceparent": "00-a", "sessionid": None})
        pen.emit("query", {})

    one, two, three = pen.read()

    assert (one.correlationid, one.sessionid, one.requestid, one.subject) == (context.correlationid, "s-9", "r", "cart")
    assert one.extensions == {"shard": 3, "beta": True}
    assert (two.correlationid, two.sessionid, two.traceparent) == (theirs, "s-1", "00-a")
    assert (three.correlationid, three.sessionid, three.extensions) == (context.correlationid, "s-1", {})


def test_a_value_that_has_to_be_text_becomes_text(pen: Pen) -> None:
    pen.emit("query", {}, {"subject": 5, "sessionid": 7, "requestid": True})

    (event,) = pen.read()
    assert (event.subject, event.sessionid, event.requestid) == ("5", "7", "True")


@pytest.mark.parametrize(
    "name", ["id", "source", "type", "time", "specversion", "data", "dataschema", "datacontenttype"]
)
def test_an_attribute_of_the_library_is_refused(pen: Pen, name: str) -> None:
    assert pen.emit("query", {}, {name: "x"}) is None
    assert pen.counts.refused == {"attribute": 1}


@pytest.mark.parametrize(
    "attributes", [{"Upper": "x"}, {"with_line": "x"}, {"": "x"}, {"a" * 21: "x"}, {"a": 1.5}, {"a": [1]}, {"ä": "x"}]
)
def test_what_cannot_be_an_attribute_is_refused(pen: Pen, attributes: dict[str, Any]) -> None:
    assert pen.emit("query", {}, attributes) is None
    assert pen.counts.refused == {"attribute": 1}


# What is refused, and how it is counted


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def circle() -> dict[str, Any]:
    value: list[Any] = []
    value += [value, value]
    return {"v": value}


class Hostile:
    def tolist(self) -> NoReturn:
        raise MemoryError

    def __repr__(self) -> NoReturn:
        raise ValueError

    def __hash__(self) -> NoReturn:
        raise KeyError


class Unspeakable(Exception):
    def __str__(self) -> NoReturn:
        raise self


class Sulking:
    def __iter__(self) -> NoReturn:
        raise Unspeakable

    def __len__(self) -> int:
        return 3

    def __contains__(self, item: object) -> bool:
        return False


REFUSED: list[tuple[object, object, str]] = [
    ("query", {"v": object()}, "unserializable"),
    ("query", [1, 2], "unserializable"),
    ("query", "text", "unserializable"),
    ("query", 5, "unserializable"),
    ("query", {"v": Hostile()}, "unserializable"),
    ("query", {"v": Sulking()}, "unserializable"),
    ("query", {Hostile: 1}, ""),
    ("query", circle(), "unserializable"),
    ("query", nested(MAX_DEPTH + 1), "unserializable"),
    ("query", nested(100_000), "unserializable"),
    ("query", {"v": "x" * 2_000_000}, "too_large"),
    ("query", {"v": "x" * 131_072}, "too_large"),
    ("query", {"v": "\ufffe" * 40_000}, "too_large"),
    ("not a name", {}, "schema"),
    ("", {}, "schema"),
    ("a" * 200, {}, "schema"),
    (5, {}, "schema"),
    (None, {}, "schema"),
    (["query"], {}, "schema"),
    (Hostile(), {}, "schema"),
    (Stranger(), None, "schema"),
    (Order(1.0), {"total": 2.0}, "schema"),
    (Order, None, "schema"),
]


@pytest.mark.parametrize(("kind", "data", "reason"), REFUSED)
@pytest.mark.parametrize("known", [False, True])
def test_what_cannot_be_an_event_is_refused_and_counted(
    pen: Pen, kind: object, data: object, reason: str, known: bool
) -> None:
    if known:
        pen.emit("query", {"a": 1})
        pen.read()

    result = pen.emit(kind, data)

    if reason:
        assert result is None
        assert pen.counts.refused == {reason: 1}
        assert pen.read() == []
    else:
        assert len(pen.read()) == 1
    assert pen.emit("query", {"still": "alive"}) is not None


@pytest.mark.parametrize(
    ("data", "stored"),
    [
        ({"v": float("nan")}, {"v": None}),
        ({"v": "a\ud800b"}, {"v": "a\ufffdb"}),
        ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
        ({"v": ValueError("no")}, {"v": "ValueError: no"}),
        (nested(MAX_DEPTH), nested(MAX_DEPTH)),
    ],
)
def test_what_can_be_coerced_is_accepted(pen: Pen, data: dict[Any, Any], stored: object) -> None:
    for _ in range(2):
        assert pen.emit("query", data) is not None

    assert [event.data for event in pen.read()] == [stored] * 2
    assert pen.counts.refused == {}


def test_the_largest_event_fits(pen: Pen) -> None:
    largest = {"v": "x" * (128 * 1024 - len('{"v":""}'))}

    assert pen.emit("query", largest) is not None
    assert pen.read()[0].data == largest


def test_escaped_noncharacters_count_with_their_escapes() -> None:
    pen = Pen(max_event_bytes=1024)

    assert pen.emit("query", {"v": "\uffff" * 169}) is not None  # 6 bytes each as they travel, and 8 around them
    assert pen.emit("query", {"v": "\uffff" * 170}) is None


def test_the_log_says_why_once_for_each_reason_and_type(pen: Pen, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(100):
        pen.emit("query", {"v": object()})
        pen.emit("query", {"v": "x" * 200_000})
        pen.emit("answer", {"v": object()})

    assert pen.counts.refused == {"unserializable": 200, "too_large": 100}
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "an event of type 'query' was refused (unserializable)",
        "an event of type 'query' was refused (too_large)",
        "an event of type 'answer' was refused (unserializable)",
    ]


def test_type_names_without_end_fill_neither_the_log_nor_the_memory(pen: Pen, caplog: pytest.LogCaptureFixture) -> None:
    for n in range(6000):
        pen.emit(f"type-{n}", {"v": object()} if n < 1000 else {})

    assert len(caplog.records) == 200
    assert len(pen._known._known) <= 5000
    assert pen.counts.accepted == 5000


def test_a_log_handler_that_raises_is_no_concern_of_the_emitter(pen: Pen) -> None:
    import logging

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> NoReturn:
            raise OSError("the disk of the log is full")

    handler = Broken()
    logging.getLogger("fireforget").addHandler(handler)
    try:
        assert pen.emit("query", {"v": object()}) is None
    finally:
        logging.getLogger("fireforget").removeHandler(handler)

    assert pen.counts.refused == {"unserializable": 1}


def test_a_full_journal_refuses_and_counts() -> None:
    pen = Pen(options=Options(segment_bytes=64 * 1024, max_bytes=128 * 1024))

    ids = [pen.emit("query", {"text": "x" * 1000}) for _ in range(200)]

    accepted = [event_id for event_id in ids if event_id is not None]
    assert [event.id for event in pen.read()] == [str(event_id) for event_id in accepted]
    assert pen.counts.refused == {"overflow": 200 - len(accepted)}
    assert 100 < len(accepted) < 130


def test_what_a_full_disk_refuses_is_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path | None, header: object) -> None:
        raise JournalError("No space left on device")

    pen = Pen(options=Options(segment_bytes=8192, max_bytes=1 << 20))
    monkeypatch.setattr(SegmentFile, "create", fail)
    accepted = [event_id for n in range(200) if (event_id := pen.emit("query", {"text": "x" * 100}))]

    assert 0 < len(accepted) < 200
    assert pen.counts.refused == {"disk": 200 - len(accepted)}


# Hooks


def test_a_hook_may_change_an_event(pen: Pen) -> None:
    @pen.before_emit
    def without_password(kind: str, data: Any) -> Any:
        return {key: value for key, value in data.items() if key != "password"} | {"kind": kind}

    pen.emit("login", {"user": "a", "password": "b"})

    assert [event.data for event in pen.read()] == [{"user": "a", "kind": "login"}]


def test_hooks_follow_each_other(pen: Pen) -> None:
    pen.before_emit(lambda _, data: {"n": data["n"] + 1})
    pen.before_emit(lambda _, data: {"n": data["n"] * 10})

    pen.emit("query", {"n": 1})

    assert pen.read()[0].data == {"n": 20}


def test_a_hook_may_drop_an_event(pen: Pen) -> None:
    pen.before_emit(lambda kind, data: None if kind == "noise" else data)

    assert pen.emit("noise", {}) is None
    assert pen.emit("query", {}) is not None
    assert (pen.counts.filtered, pen.counts.accepted, pen.counts.refused) == (1, 1, {})


def test_a_hook_that_is_registered_late_sees_types_already_known(pen: Pen) -> None:
    pen.emit("query", {"n": 1})
    pen.emit(Order(1.0))
    pen.before_emit(lambda _, data: None)

    assert pen.emit("query", {"n": 2}) is None
    assert pen.emit(Order(2.0)) is None
    assert pen.counts.filtered == 2


def test_a_hook_that_raises_refuses_the_event(pen: Pen, caplog: pytest.LogCaptureFixture) -> None:
    pen.before_emit(lambda _, data: data["absent"])

    assert pen.emit("query", {"secret": 1}) is None
    assert pen.counts.refused == {"hook": 1}
    assert "before_emit hook" in caplog.text
    assert "raised KeyError: 'absent'" in caplog.text
    assert pen.read() == []


def test_a_hook_that_returns_no_mapping_refuses_the_event(pen: Pen) -> None:
    pen.before_emit(lambda _, data: [data])

    assert pen.emit("query", {"a": 1}) is None
    assert pen.counts.refused == {"unserializable": 1}


def test_a_hook_may_emit_itself(pen: Pen) -> None:
    pen.before_emit(lambda kind, data: data if kind == "audit" or pen.emit("audit", {"of": kind}) else None)

    pen.emit("query", {})

    assert [event.type for event in pen.read()] == ["audit", "query"]


# Sampling


def kept(pen: Pen, kind: str, numbers: range) -> set[int]:
    """The correlation ids of which an event of that type is kept."""
    found = set()
    for number in numbers:
        with correlated(number):
            if pen.emit(kind, {}) is not None:
                found.add(number)
    return found


def test_sampling_keeps_the_configured_share() -> None:
    pen = Pen(sampling={"tenth": 0.1, "none": 0.0, "*": 0.5})
    numbers = range(4000)

    shares = {kind: len(kept(pen, kind, numbers)) / len(numbers) for kind in ("tenth", "none", "other")}

    assert shares["none"] == 0.0
    assert 0.08 < shares["tenth"] < 0.12
    assert 0.47 < shares["other"] < 0.53
    assert pen.counts.sampled_out + pen.counts.accepted == 3 * len(numbers)


def test_a_type_without_a_share_is_kept_whole() -> None:
    pen = Pen(sampling={"query": 0.1})

    assert kept(pen, "other", range(100)) == set(range(100))


def test_what_is_kept_at_a_small_share_is_kept_at_a_larger_one_too() -> None:
    pen = Pen(sampling={"small": 0.1, "large": 0.6})

    small, large = kept(pen, "small", range(1000)), kept(pen, "large", range(1000))

    assert small < large


def test_a_correlation_is_kept_or_dropped_as_a_whole() -> None:
    pen = Pen(sampling={"*": 0.5}, types=TYPES)

    for number in range(200):
        with correlated(number):
            emitted = [
                pen.emit("query", {}),
                pen.emit("query", {"text": "x" * 500}),
                pen.emit("response", {}),
                pen.emit(Order(1.0)),
                pen.emit(Order(2.0)),
                pen.emit("query", {}, {"subject": "cart"}),
                pen.emit("query", {}),
            ]
        assert len({event_id is None for event_id in emitted}) == 1

    assert 600 < pen.counts.accepted < 800


def test_a_sampled_event_keeps_its_attributes() -> None:
    pen = Pen(sampling={"*": 0.999999})
    with correlated(1):
        pen.emit("query", {}, {"subject": "cart"})
    pen.emit("query", {}, {"subject": "cart", "region": "eu"})

    assert [(event.subject, event.extensions) for event in pen.read()] == [("cart", {}), ("cart", {"region": "eu"})]


def test_a_given_correlation_id_decides_itself() -> None:
    pen = Pen(sampling={"*": 0.5})

    for number in range(50):
        with correlated(number) as context:
            inside = pen.emit("query", {})
        outside = pen.emit("query", {}, {"correlationid": context.correlationid})
        assert (inside is None) == (outside is None)


def test_outside_of_requests_each_event_is_decided_alone() -> None:
    pen = Pen(sampling={"*": 0.5})

    accepted = [pen.emit("query", {"n": n}) for n in range(2000)]

    kept = sum(event_id is not None for event_id in accepted)
    assert 900 < kept < 1100
    assert len(pen.read()) == pen.counts.accepted == kept


# From anywhere


def test_no_event_of_many_threads_is_lost_or_doubled(pen: Pen) -> None:
    ids: list[list[str]] = [[] for _ in range(8)]
    begin = threading.Barrier(len(ids))

    def work(mine: list[str], number: int) -> None:
        begin.wait()
        for n in range(1500):
            if n % 500 == 0:
                with correlated(number * 1000 + n):
                    mine.append(str(pen.emit(f"type-{n}", {"n": n})))
            else:
                mine.append(str(pen.emit("query", {"n": n})))

    threads = [threading.Thread(target=work, args=(mine, number)) for number, mine in enumerate(ids)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    emitted = list(itertools.chain(*ids))
    assert len(set(emitted)) == 8 * 1500
    assert sorted(event.id for event in pen.read()) == sorted(emitted)
    assert pen.counts.accepted == 8 * 1500


def test_a_signal_handler_may_emit_in_the_middle_of_another_emit(pen: Pen) -> None:
    ids: list[str] = []
    handled: list[str] = []

    def handler(number: int, frame: FrameType | None) -> None:
        handled.append(str(pen.emit("signal", {"number": number})))

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        while len(handled) < 50:
            ids.append(str(pen.emit("query", {"n": len(ids)})))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert sorted(event.id for event in pen.read()) == sorted(ids + handled)


class Interruption:
    """Emits once more, at the n-th instruction of the library inside an emit."""

    def __init__(self, pen: Pen, at: int) -> None:
        self.pen = pen
        self.at = at
        self.seen = 0
        self.nested: str | None = None

    def __call__(self, frame: FrameType, event: str, argument: object) -> "Interruption | None":
        if "fireforget" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and self.nested is None:
            self.seen += 1
            if self.seen == self.at:
                self.nested = ""
                self.nested = str(self.pen.emit("nested", {"at": self.at}))
        return self


def interrupted(pen: Pen, at: int) -> list[str]:
    """Emit with an interruption and once more; the ids of two or, where the interruption came too late, one event."""
    interruption = Interruption(pen, at)
    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 looks for it when the tracing begins
    sys.settrace(interruption)
    try:
        outer = str(pen.emit("query", {"text": "x" * 1000}))
    finally:
        sys.settrace(before)
    after = str(pen.emit("query", {"text": "after"}))
    return [outer, after] if interruption.nested is None else [interruption.nested, outer, after]


@pytest.mark.parametrize("filled", [0, 3], ids=["a new segment", "a full segment"])
@pytest.mark.parametrize("context", [False, True], ids=["outside of requests", "in a request"])
def test_an_emit_may_be_interrupted_by_another_one_at_any_instruction(filled: int, context: bool) -> None:
    for at in itertools.count(1):
        pen = Pen(options=Options(segment_bytes=8192, max_bytes=1024 * 1024))
        ids = [str(pen.emit("filler", {"text": "x" * 1000})) for _ in range(filled)]
        segment = pen.open_journal().tail
        with correlated(at) if context else nullcontext():
            emitted = interrupted(pen, at)

        events = pen.read()

        assert sorted(event.id for event in events) == sorted(ids + emitted), f"interrupted at {at}"
        assert len({event.correlationid for event in events if event.type != "filler"}) == 1
        assert pen.counts.accepted == len(ids + emitted)
        assert (pen.open_journal().tail is not segment) == bool(filled)
        if len(emitted) == 2:
            break
    assert at > 200


def test_a_finalizer_may_emit_in_the_middle_of_another_emit(pen: Pen) -> None:
    finalized: list[str] = []

    class Resource:
        def __init__(self) -> None:
            self.me = self  # collected by the garbage collector alone

        def tolist(self) -> int:
            return 1

        def __del__(self) -> None:
            finalized.append(str(pen.emit("closed", {})))

    threshold = gc.get_threshold()
    gc.set_threshold(5, 2, 2)
    try:
        ids = [str(pen.emit("query", {"n": n, "v": [Resource()]})) for n in range(300)]
    finally:
        gc.set_threshold(*threshold)
    gc.collect()

    assert len(finalized) == 300
    assert sorted(event.id for event in pen.read()) == sorted(ids + finalized)


def test_an_object_in_the_data_may_emit_while_it_is_encoded(pen: Pen) -> None:
    class Chatty:
        def tolist(self) -> list[int]:
            pen.emit("inner", {})
            return [1]

    for _ in range(2):
        pen.emit("outer", {"v": Chatty()})

    assert [event.type for event in pen.read()] == ["inner", "outer"] * 2


def test_after_its_event_loop_has_closed_emit_still_works(pen: Pen) -> None:
    async def main() -> None:
        pen.emit("query", {"n": 1})

    asyncio.run(main())
    pen.emit("query", {"n": 2})

    assert [event.data["n"] for event in pen.read()] == [1, 2]


def test_two_emitters_share_a_context_without_mixing_their_events() -> None:
    first, second = Pen(), Pen()
    with correlated() as context:
        for n in range(3):
            first.emit("query", {"first": n})
            second.emit("query", {"second": n})

    assert [event.data for event in first.read()] == [{"first": n} for n in range(3)]
    events = second.read()
    assert [event.data for event in events] == [{"second": n} for n in range(3)]
    assert {event.correlationid for event in events} == {context.correlationid}


# What others raise


class TimeLimitError(Exception):
    """As a soft time limit raises it, from a signal handler."""


def interrupted_at(number: int, call: Callable[[], object]) -> bool:
    """Raise as a signal handler does, before the `number`-th line of ours that the call runs; is there such a line?

    Not while data is encoded: what is raised there may come from the object that is encoded.
    """
    lines = itertools.count()
    reached = False

    def watch(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal reached
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("fireforget.") or module == "fireforget._encode":
            return None
        if event == "line" and next(lines) == number:
            reached = True
            raise TimeLimitError
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        call()
    except TimeLimitError:
        return True
    finally:
        sys.settrace(before)
    assert not reached, f"what was raised before line {number} has been swallowed"
    return False


@pytest.mark.parametrize("known", [True, False])
def test_what_a_signal_handler_raises_reaches_the_application_and_the_event_counts_once(known: bool) -> None:
    pen, number, accepted = Pen(), 0, [0]
    pen.emit("query", {"n": -1})
    pen.read()
    while interrupted_at(number, partial(pen.emit, "query" if known else f"query-{number}", {"n": number})):
        accepted.append(pen.counts.accepted)
        number += 1

    assert number > 10
    assert {after - before for before, after in pairwise(accepted[1:])} <= {0, 1}
    assert len(pen.read()) == pen.counts.accepted - 1


def test_an_object_that_raises_at_first_is_no_signal_handler(pen: Pen) -> None:
    class Moody:
        def tolist(self) -> NoReturn:
            raise ConnectionError("not now")

    pen.emit("query", {})

    assert pen.emit("query", {"v": Moody()}) is None
    assert pen.counts.refused == {"unserializable": 1}


def test_attributes_that_cannot_be_read_refuse_the_event(pen: Pen) -> None:
    class Odd(dict[str, str]):
        def items(self) -> NoReturn:
            raise ConnectionError("not now")

    assert pen.emit("query", {}, Odd(subject="x")) is None
    assert pen.counts.refused == {"attribute": 1}


def test_a_full_stack_refuses_the_event_and_raises_nothing() -> None:
    pen, results = Pen(), list[object]()
    pen.emit("query", {})

    def descend() -> None:
        try:
            descend()
        except RecursionError:
            results.append(pen.emit("other", {"v": object()}))
            results.append(pen.emit("query", {}))

    with suppress(RecursionError):  # of the application's own frames, not of `emit`
        descend()
    refused = [result for result in results if result is None]
    pen._refusals.tell(pen.open_journal())

    assert refused
    assert pen.counts.refused.get("recursion", 0) > 0
    assert pen.counts.accepted == 1 + len(results) - len(refused)


def test_attributes_are_bounded(pen: Pen) -> None:
    assert pen.emit("query", {}, {"subject": "s" * 9000}) is None
    assert pen.emit("query", {}, {f"a{n}": "x" * 500 for n in range(20)}) is None
    assert pen.emit("query", {}, {"subject": "s" * 8000}) is not None
    assert pen.counts.refused == {"attribute": 2}


def test_many_rows_cost_little_more_than_their_encoding() -> None:
    rows = {"rows": [{"a": n, "b": [1, 2]} for n in range(2000)]}
    plain = {"rows": ["x" * 20 for _ in range(2000)]}
    pen = Pen()
    pen.emit("query", {})

    def cost(data: object) -> float:
        return min(timeit.repeat(lambda: pen.emit("query", data), number=3, repeat=5))

    assert cost(rows) < 30 * cost(plain)


def test_a_lone_surrogate_does_not_make_a_huge_text_costly(pen: Pen) -> None:
    huge: dict[str, object] = {"rows": [{"k": "x"}] * 300_000, "bad": "\ud800"}

    assert pen.emit("query", huge) is None
    assert pen.counts.refused == {"too_large": 1}
