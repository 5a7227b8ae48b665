"""The fixture `fireforget`: events of whichever `FireForget`, and nothing left behind."""

import asyncio
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from fireforget import EventTypes, FireForget, Settings, current_context
from fireforget._engine import shared_engine
from fireforget._process import members
from fireforget._settings import JournalSettings
from fireforget.testing import Capture, ManualClock


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No network, no disk, no thread."""

    def refuse(*arguments: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "bind", refuse)
    threads = set(threading.enumerate())
    apps = set(members)
    yield
    assert list(tmp_path.iterdir()) == []
    assert {thread for thread in set(threading.enumerate()) - threads if "fireforget" in thread.name} == set()
    assert set(members) == apps


def test_without_the_extra_what_brings_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fireforget.testing.capture")
    monkeypatch.setitem(sys.modules, "pytest", None)

    with pytest.raises(ImportError, match=r'needs pytest, .* run pip install "fireforget\[testing\]"'):
        from fireforget.testing import Capture  # noqa: F401


def test_what_was_emitted_can_be_read(fireforget: Capture) -> None:
    ff = FireForget(Settings(name="shop"))
    assert fireforget.events == []
    event_id = ff.emit("query", {"query": "how?", "n": 1}, {"sessionid": "s1", "partition": 7})
    ff.emit("response", {"match_score": 92})
    first, second = fireforget.events
    assert (first.id, first.source, first.type, first.data) == (
        str(event_id),
        "shop",
        "query",
        {"query": "how?", "n": 1},
    )
    assert (second.type, second.sessionid) == ("response", None)
    assert fireforget.of("query") == [first]
    assert fireforget.assert_emitted("query", {"n": 1}, sessionid="s1", partition=7) == first
    assert fireforget.assert_emitted("response", times=1) == second
    fireforget.assert_nothing_emitted("click")
    fireforget.assert_nothing_emitted("query", {"n": 2})
    fireforget.assert_nothing_emitted("query", sessionid="s2")
    fireforget.clear()
    fireforget.assert_nothing_emitted()


def test_what_is_missing_is_said_with_what_is_there(fireforget: Capture) -> None:
    ff = FireForget(Settings())
    ff.emit("query", {"query": "how?"})
    ff.emit("query", {"query": object})
    ff.emit("query", ["no mapping"])
    for wrong in ({"query": "why?"}, {"answer": "how?"}):
        with pytest.raises(AssertionError, match=r"expected at least one of 'query'") as caught:
            fireforget.assert_emitted("query", wrong)
        assert "'query' {'query': 'how?'}" in str(caught.value)
        assert "refused were: {'unserializable': " in str(caught.value)
    with pytest.raises(AssertionError, match=r"expected 3 of 'query', found"):
        fireforget.assert_emitted("query", times=3)
    with pytest.raises(AssertionError, match="found 0") as caught:
        fireforget.assert_emitted("query", {"query": "how?"}, sessionid="nobody", partition=7)
    assert "'query' {'query': 'how?'} sessionid=None\n" in str(caught.value), (
        "what was asked for, as far as it is there"
    )
    with pytest.raises(AssertionError, match="expected no 'query'"):
        fireforget.assert_nothing_emitted("query")
    with pytest.raises(AssertionError, match="expected no 'query' {'query': 'how\\?'}, found 1"):
        fireforget.assert_nothing_emitted("query", {"query": "how?"})
    with pytest.raises(AssertionError, match="expected no events"):
        fireforget.assert_nothing_emitted()
    with pytest.raises(ValueError, match="assert_nothing_emitted"):
        fireforget.assert_emitted("answer", times=0)


def test_events_of_several_applications_come_in_the_order_of_their_emission(fireforget: Capture) -> None:
    clock = ManualClock()
    shops = [FireForget(Settings(name=name), clock=clock) for name in ("a", "b", "c")]
    for number in range(12):
        shops[number * 5 % 3].emit("query", {"n": number})
        clock.advance(1e-6)
        if number == 6:
            assert len(fireforget.events) == 7
    assert [event.data["n"] for event in fireforget.events] == list(range(12))


def test_what_is_refused_is_seen_before_anything_is_accepted(fireforget: Capture) -> None:
    ff = FireForget(Settings(max_event_bytes=1000))
    ff.emit("query", {"text": "x" * 1001})
    assert fireforget.refused == {"too_large": 1}
    with Capture() as inner:
        FireForget(Settings()).emit("query", ["no mapping"])
    assert inner.refused.keys() == {"unserializable"}
    assert fireforget.refused == {"too_large": 1}
    with pytest.raises(AssertionError, match="refused were: {'too_large': 1}"):
        fireforget.assert_emitted("query")


def test_events_are_known_by_their_class(fireforget: Capture) -> None:
    types = EventTypes()

    @types.event_type("signup")
    class Signup(msgspec.Struct):
        plan: str

    class Other:
        pass

    FireForget(Settings(), types=types).emit(Signup("free"))
    assert fireforget.assert_emitted(Signup, {"plan": "free"}).type == "signup"
    with pytest.raises(TypeError, match="decorate it with @event_type"):
        fireforget.of(Other)


def test_what_was_emitted_before_a_close_is_captured(fireforget: Capture) -> None:
    with FireForget(Settings()) as ff:
        ff.emit("query", {"n": 1})
    ff.emit("query", {"n": 2})
    assert [event.data["n"] for event in fireforget.events] == [1, 2]


def test_an_application_that_was_open_before_goes_on_after(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = str(tmp_path_factory.mktemp("app"))
    ff = FireForget(Settings(directory=directory, queue="memory://open-before", store="memory://open-before"))
    try:
        ff.emit("query", {"n": 1})
        before = ff.stats().accepted
        with Capture() as capture:
            ff.emit("query", {"n": 2})
            assert ff.drain_blocking() == 0
        ff.emit("query", {"n": 3})
        assert [event.data["n"] for event in capture.events] == [2]
        assert ff.stats().accepted == before + 1
    finally:
        ff.close()
        shared_engine.stop(10)


def test_an_application_that_began_while_captured_begins_anew_after(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = str(tmp_path_factory.mktemp("app"))
    ff = FireForget(Settings(directory=directory, queue="memory://began", store="memory://began"))
    try:
        with Capture() as capture:
            ff.emit("query", {"n": 1})
        assert ff.emit("query", {"n": 2}) is not None
        assert [event.data["n"] for event in capture.events] == [1]
        assert ff.stats().accepted == 1
        assert ff.drain_blocking(10) == 0
    finally:
        ff.close()
        shared_engine.stop(10)


@pytest.mark.asyncio
async def test_a_wrapped_application_is_captured_with_its_work(fireforget: Capture) -> None:
    ff = FireForget(Settings())

    async def later() -> None:
        await asyncio.sleep(0)
        ff.emit("later")

    async def app(scope: dict[str, str], receive: object, send: object) -> None:
        ff.emit("query", {"path": scope["path"]})
        current_context().wait_until(later())
        assert callable(send)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    transport = httpx.ASGITransport(ff.wrap(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        await client.get("/a")
        await client.get("/b")
    assert await ff.drain() == 0
    first = fireforget.assert_emitted("query", {"path": "/a"}, times=1)
    fireforget.assert_emitted("later", correlationid=first.correlationid)
    assert len(fireforget.of("later")) == 2


def test_sampled_and_filtered_events_are_not_there(fireforget: Capture) -> None:
    ff = FireForget(Settings(sampling={"noise": 0.0}, journal=JournalSettings(max_bytes=1 << 24)))
    ff.before_emit(lambda name, data: None if name == "secret" else data)
    for name in ("noise", "secret", "query"):
        ff.emit(name, {"n": 1})
    assert [event.type for event in fireforget.events] == ["query"]
    assert ff.stats().filtered == 1
