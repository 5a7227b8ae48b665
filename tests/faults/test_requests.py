"""Requests that end as they should not, under a real server: what was accepted in them is stored, once."""

import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.programs import Server, Site
from tests.waiting import wait_for

SHOP = """
import asyncio
from fireforget import FireForget, current_context

ff = FireForget()
left = asyncio.Event()

async def later(what):
    await asyncio.sleep(0)
    ff.emit("later", {"what": what})

async def shop(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("it has none")
    what = scope["path"][1:]
    ff.emit("order", {"what": what})
    current_context().wait_until(later(what), start="after_response")
    if what == "before":
        raise ValueError(what)
    if what == "cancelled":
        asyncio.current_task().cancel()
        await asyncio.sleep(0)
    if what == "disconnect":
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        left.set()
    if what == "last":
        await left.wait()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if what == "during":
        raise ValueError(what)
    await send({"type": "http.response.body"})
    if what == "after":
        ff.emit("order", {"what": what})
        raise ValueError(what)

app = ff.wrap(shop)
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, drain_seconds=30)


def hang_up(server: Server) -> None:
    """Ask, and be gone before there is an answer."""
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET /disconnect HTTP/1.1\r\nhost: shop\r\nx-request-id: hung-up\r\n\r\n")


def ask(server: Server, what: str) -> int:
    """The status of an answer; 0 where there is none."""
    try:
        return server.client.get(f"/{what}", headers={"x-request-id": what, "connection": "close"}).status_code
    except httpx.TransportError:
        return 0


def test_what_was_accepted_is_stored_however_a_request_ends(site: Site) -> None:
    with site.served(SHOP) as server:
        statuses = {what: ask(server, what) for what in ("before", "during", "after", "cancelled")}
        hang_up(server)
        assert ask(server, "last") == 200  # which waits until the server has noticed
        server.stop(signal.SIGTERM)

    events = site.stored()
    found = sorted((event.type, event.data["what"], event.requestid) for event in events)
    whats = [("after", "after"), ("before", "before"), ("cancelled", "cancelled"), ("disconnect", "hung-up")]
    whats += [("during", "during"), ("last", "last")]
    assert statuses == {"before": 500, "during": 0, "after": 200, "cancelled": 500}
    assert found == sorted(
        [("order", "after", "after")] + [(kind, *what) for kind in ("later", "order") for what in whats]
    )
    assert len({event.id for event in events}) == len(events)


def test_a_clock_that_goes_back_an_hour_between_two_lives_and_within_one_costs_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, drain_seconds=30, journal_adopt_seconds=0.1)
    program = """
        import os, signal, sys
        from fireforget import FireForget
        from fireforget._clock import SystemClock

        class Clock(SystemClock):
            behind = int(sys.argv[1])
            def time_ns(self):
                return super().time_ns() - self.behind * 10**9

        clock = Clock()
        ff = FireForget(clock=clock)
        ids = [ff.emit("before", {"n": n}) for n in range(20)]
        clock.behind += 3600
        ids += [ff.emit("after", {"n": n}) for n in range(20)]
        print(*ids, flush=True)
        if sys.argv[2] == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
    """
    ids = site.run(program, "0", "dies", code=-signal.SIGKILL).split()
    ids += site.run(program, "7200", "ends").split()
    wait_for(lambda: site.journals() == [])

    events = site.stored()
    assert len(set(ids)) == 80
    assert sorted(event.id for event in events) == sorted(ids)
