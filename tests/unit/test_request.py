"""What a request tells of itself, and how little of it is believed."""

import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from fireforget import ExecutionContext
from fireforget._attributes import Attributes
from fireforget._clock import SystemClock
from fireforget._context import current
from fireforget._event import uuid7_text, uuid7_time
from fireforget._request import RequestContext, RequestSource, new_correlation_id, route_template
from fireforget._salt import DailySalt
from fireforget._settings import HttpSettings
from tests.asgi import http_scope
from tests.emitting import Pen

SESSIONS = HttpSettings(session_header="X-Session", session_cookie="sid", session_from_client=True)
SOURCES: dict[HttpSettings, RequestSource] = {}
CLOCK = SystemClock()
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def attributes(*headers: tuple[bytes, bytes], settings: HttpSettings | None = None, **more: Any) -> Attributes:
    source = SOURCES.setdefault(settings or HttpSettings(), RequestSource(settings or HttpSettings(), ignore, CLOCK))
    return source.attributes(http_scope(headers=headers, **more))


def ignore(error: BaseException) -> None:
    """No work is handed over here."""


def made_ago(seconds: float) -> str:
    return uuid7_text(time.time_ns() - round(seconds * 1e9), 5)


def test_a_request_without_headers_gets_a_correlation_id_of_its_own() -> None:
    first, second = attributes(), attributes()

    made = uuid7_time(first.correlationid)
    assert made is not None
    assert abs(made.timestamp() - time.time()) < 60
    assert first.correlationid != second.correlationid
    assert (first.sessionid, first.requestid, first.traceparent) == (None, None, None)


def test_an_inbound_request_id_is_kept_apart_from_the_correlation_id() -> None:
    found = attributes((b"x-request-id", b"their-own-42"))

    assert found.requestid == "their-own-42"
    assert found.correlationid != "their-own-42"
    assert uuid7_time(found.correlationid) is not None


@pytest.mark.parametrize("seconds", [0, 540, -540])
def test_a_recent_uuid7_is_the_correlation_id_too(seconds: float) -> None:
    theirs = made_ago(seconds)

    found = attributes((b"x-request-id", theirs.encode()))

    assert (found.correlationid, found.requestid) == (theirs, theirs)


@pytest.mark.parametrize(
    ("seconds", "spelling"), [(660, str.strip), (-660, str.strip), (0, str.upper), (0, "{} ".format)]
)
def test_any_other_request_id_never_is(seconds: float, spelling: Callable[[str], str]) -> None:
    theirs = spelling(made_ago(seconds))  # made now: between collection and run may lie minutes
    found = attributes((b"x-request-id", theirs.encode()))

    assert found.correlationid != theirs
    assert found.requestid == theirs


def test_the_header_of_the_request_id_can_be_chosen() -> None:
    settings = HttpSettings(request_id_header="X-Amzn-Trace-Id")

    found = attributes((b"x-request-id", b"no"), (b"x-amzn-trace-id", b"yes"), settings=settings)

    assert found.requestid == "yes"


def test_no_header_is_looked_at_where_none_is_configured() -> None:
    settings = HttpSettings(request_id_header="")

    found = attributes((b"x-request-id", b"a"), (b"cookie", b"=b"), settings=settings)

    assert (found.requestid, found.sessionid) == (None, None)


def test_the_session_comes_from_the_header_before_the_cookie() -> None:
    headers = [(b"cookie", b"sid=from-cookie"), (b"x-session", b"from-header")]

    assert attributes(*headers, settings=SESSIONS).sessionid == "from-header"
    assert attributes(headers[0], settings=SESSIONS).sessionid == "from-cookie"


@pytest.mark.parametrize(
    ("header", "session"),
    [
        (b"sid=abc", "abc"),
        (b'a=1; sid="abc"; b=2', "abc"),
        (b"a=1;sid=abc;sid=second", "abc"),
        (b"xsid=no; sid = no; sid=yes=1", "yes=1"),
    ],
)
def test_the_cookie_of_the_session_is_found_among_others(header: bytes, session: str) -> None:
    settings = HttpSettings(session_cookie="sid")

    assert attributes((b"cookie", header), settings=settings).sessionid == session


@pytest.mark.parametrize("header", [b"", b"other=1", b"sid", b"sid=", b"sid=\x01\x02", b";;=;"])
def test_a_cookie_header_without_the_session_gives_none(header: bytes) -> None:
    settings = HttpSettings(session_cookie="sid")

    assert attributes((b"cookie", header), settings=settings).sessionid is None


def test_where_switched_on_address_and_agent_make_the_session() -> None:
    agent = (b"user-agent", b"Firefox")

    session = attributes(agent, settings=SESSIONS).sessionid

    assert session is not None
    assert len(session) == 32
    assert "203.0.113.7" not in session
    assert attributes(agent, settings=SESSIONS).sessionid == session
    assert attributes((b"user-agent", b"Safari"), settings=SESSIONS).sessionid != session
    assert attributes(agent, settings=SESSIONS, client=("203.0.113.8", 1)).sessionid != session
    assert attributes(agent, settings=SESSIONS, client=None).sessionid not in {session, None}
    assert attributes(agent).sessionid is None


def test_the_salt_lives_for_a_day() -> None:
    salt, start = DailySalt(), datetime(2026, 11, 22, tzinfo=UTC)
    digests = [salt.digest(b"203.0.113.7", start + timedelta(hours=hours)) for hours in (0, 23.9, 24)]

    assert digests[0] == digests[1] != digests[2]


def test_two_processes_have_salts_of_their_own() -> None:
    today = datetime(2026, 11, 22, tzinfo=UTC)
    assert DailySalt().digest(b"a", today) != DailySalt().digest(b"a", today)


def test_processes_that_share_a_secret_agree_about_the_session() -> None:
    settings = HttpSettings(session_from_client=True)
    scope = http_scope(headers=[(b"user-agent", b"Firefox")])
    sources = [RequestSource(settings, ignore, CLOCK, secret) for secret in (b"s" * 16, b"s" * 16, b"t" * 16, None)]
    sessions = [source.attributes(scope).sessionid for source in sources]

    assert sessions[0] == sessions[1]
    assert len(set(sessions)) == 3


@pytest.mark.parametrize("value", [b"a\x00b", b"tab\there", b"bell\x07"])
def test_what_cannot_stand_in_a_line_is_not_taken_over(value: bytes) -> None:
    found = attributes(
        (b"x-request-id", value),
        (b"x-session", value),
        (b"traceparent", value),
        settings=HttpSettings(session_header="x-session"),
    )

    assert (found.requestid, found.sessionid, found.traceparent) == (None, None, None)


def test_what_a_client_sends_is_bounded() -> None:
    long = b"a" * 100_000

    found = attributes(
        (b"x-request-id", long),
        (b"x-session", long),
        (b"traceparent", long),
        (b"cookie", b"sid=" + long),
        settings=SESSIONS,
    )

    assert len(found.binding().fragment) < 800


def test_bytes_that_are_no_ascii_do_no_harm() -> None:
    found = attributes((b"x-request-id", b"\xff\xfe"), (b"user-agent", b"\xe4"), settings=SESSIONS)

    assert found.requestid == "\xff\xfe"
    assert b"requestid" in found.binding().fragment


def test_the_trace_context_of_the_client_is_carried_on() -> None:
    assert attributes((b"traceparent", PARENT.encode())).traceparent == PARENT


def test_the_span_of_the_application_goes_before_it() -> None:
    tracer = TracerProvider().get_tracer("test")

    with tracer.start_as_current_span("request") as span:
        found = attributes((b"traceparent", PARENT.encode())).traceparent

    context = span.get_span_context()
    assert found == f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def test_without_opentelemetry_there_is_no_trace_to_look_for(monkeypatch: pytest.MonkeyPatch) -> None:
    tracer = TracerProvider().get_tracer("test")
    monkeypatch.delitem(sys.modules, "opentelemetry.sdk.trace")

    with tracer.start_as_current_span("request"):
        assert attributes().traceparent is None


def test_the_headers_are_read_when_an_event_first_needs_them() -> None:
    scope = http_scope(headers=[(b"x-request-id", b"a")])
    context = RequestContext(scope, RequestSource(HttpSettings(), ignore, CLOCK), None)
    scope["headers"] = [(b"x-request-id", b"b")]

    first = context.attributes
    scope["headers"] = [(b"x-request-id", b"c")]

    assert first is not None
    assert first.requestid == "b"
    assert context.attributes == first


def test_a_correlation_id_is_of_now() -> None:
    made = uuid7_time(new_correlation_id())

    assert made is not None
    assert abs(made.timestamp() - time.time()) < 60


@pytest.mark.parametrize(
    ("path", "parameters", "template"),
    [
        ("/items/42", {"id": 42}, "/items/{id}"),
        ("/a/1/b/22", {"x": "1", "y": "22"}, "/a/{x}/b/{y}"),
        ("/1234/12", {"id": "12"}, "/1234/{id}"),
        ("/users/users", {"name": "users"}, "/users/{name}"),
        ("/files/a/b.txt", {"path": "a/b.txt"}, "/files/{path}"),
        ("/items/", {"id": ""}, "/items/"),
        ("/plain", {}, "/plain"),
        ("/plain", None, "/plain"),
        ("/x/" + "y" * 500, {}, "/x/" + "y" * 197),
    ],
)
def test_parameters_in_a_path_are_named_again(path: str, parameters: dict[str, Any] | None, template: str) -> None:
    assert route_template(http_scope(path, path_params=parameters), 200) == template


def test_the_template_that_the_framework_tells_goes_before_the_path() -> None:
    scope = http_scope("/items/42", route=SimpleNamespace(path_format="/items/{id}", path="/items/{id:int}"))

    assert route_template(scope, 200) == "/items/{id}"
    assert route_template({**scope, "route": SimpleNamespace(path="/items/<id>")}, 404) == "/items/<id>"
    assert route_template({**scope, "route": SimpleNamespace(path=5)}, 200) == "/items/42"


def test_what_was_not_found_has_no_template() -> None:
    assert route_template(http_scope("/wp-admin.php"), 404) is None
    assert route_template(http_scope("/users/4711"), 405) is None


def test_odd_scopes_have_some_template_or_none() -> None:
    found = [
        route_template(http_scope("/a/b", path_params=parameters), 200)
        for parameters in (["a"], "a", 5, {"a": None}, {5: "b"})
    ]

    assert found == ["/a/b", "/a/b", "/a/b", "/a/b", "/a/{5}"]


def test_threads_of_one_request_agree_about_it() -> None:
    """Whichever of them emits first, and whatever another one does meanwhile."""
    pen, source = Pen(), RequestSource(HttpSettings(), ignore, CLOCK)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    returned: list[object] = []
    try:
        for _ in range(300):
            context = RequestContext(http_scope(), source, None)
            begin = threading.Barrier(2)

            def work(context: RequestContext = context, begin: threading.Barrier = begin) -> None:
                current.set(context)
                begin.wait()
                returned.extend(pen.emit(kind, {"correlation": context.correlationid}) for kind in "abc")

            threads = [threading.Thread(target=work) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    events = pen.read()

    assert None not in returned
    assert len(events) == len(returned) == pen.counts.accepted
    assert all(event.correlationid == event.data["correlation"] for event in events)
    assert len({event.correlationid for event in events}) == 300


def test_a_session_set_in_another_thread_loses_no_event() -> None:
    """An emit of another thread between any two lines of it."""
    pen, results = Pen(), list[object]()
    context = ExecutionContext(Attributes(new_correlation_id()))
    token = current.set(context)
    results.append(pen.emit("a", {"n": 0}))

    def watch(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_globals.get("__name__", "").startswith("fireforget._context"):
            sys.settrace(None)
            results.append(pen.emit("a", {"n": 1}))
            sys.settrace(watch)
            return watch
        return None

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        context.sessionid = "me"
    finally:
        sys.settrace(before)
    results += [pen.emit("a", {"n": 2}), pen.emit("b", {"n": 3})]
    current.reset(token)

    assert None not in results
    events = pen.read()
    assert len(events) == len(results) == pen.counts.accepted
    assert events[-1].sessionid == "me"
