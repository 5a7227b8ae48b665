"""Each web example under a real server: what it emits is in the store, each event once."""

import json
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copy

import pytest
from websockets.sync.client import connect

from fireforget import Event
from tests.programs import Server, Site
from tests.waiting import wait_for
from tools.repository import ROOT

EXAMPLES = ROOT / "examples"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    copy(EXAMPLES / "fireforget.toml", tmp_path)
    return Site(tmp_path, drain_seconds=30)


@contextmanager
def serving(site: Site, example: str) -> Iterator[Server]:
    """Serve an example, and stop it in good order."""
    with site.served(f"from examples.{example} import app") as server:
        yield server
        server.stop(signal.SIGTERM)


def counted(events: list[Event]) -> Counter[str]:
    """How many there are of each type; none is there twice."""
    assert len({event.id for event in events}) == len(events)
    return Counter(event.type for event in events)


def of(events: list[Event], name: str) -> list[Event]:
    return sorted((event for event in events if event.type == name), key=lambda event: event.id)


def routes(events: list[Event]) -> list[tuple[str | None, int]]:
    return [(event.data["route"], event.data["status"]) for event in of(events, "http.request")]


def test_fastapi(site: Site) -> None:
    with serving(site, "fastapi_app") as server:
        server.client.cookies.set("visitor", "ada")
        assert json.loads(server.get("/books?q=mo")) == ["Moby-Dick", "The Moonstone"]
        assert json.loads(server.get("/books?q=Emma")) == []

    events = site.stored()
    assert counted(events) == {"search": 2, "wish": 1, "http.request": 2}
    assert [event.data for event in of(events, "search")] == [{"text": "mo", "hits": 2}, {"text": "Emma", "hits": 0}]
    assert {event.sessionid for event in events} == {"ada"}
    assert of(events, "wish")[0].correlationid == of(events, "search")[1].correlationid
    assert routes(events) == [("/books", 200)] * 2
    assert (site.path / "wishes.txt").read_text() == "Emma\n"


def test_litestar(site: Site) -> None:
    with serving(site, "litestar_app") as server:
        for celsius in (0.5, -1.5, -2.0):
            server.client.post("/stations/north/readings", json={"celsius": celsius}).raise_for_status()
        assert server.client.post("/stations/north/readings", json={"celsius": -273.0}).status_code == 400
        assert server.get("/stations/north") == "-2.0"

    events = site.stored()
    assert counted(events) == {"reading": 3, "frost": 1, "http.request": 5}
    assert {event.subject for event in of(events, "reading")} == {"north"}
    assert [event.dataschema for event in of(events, "reading")] == ["urn:fireforget:reading:1"] * 3
    assert of(events, "frost")[0].data == {"station": "north", "celsius": -2.0}
    assert [status for _, status in routes(events)] == [201, 201, 201, 400, 200]
    assert str(routes(events)[-1][0]).startswith("/stations/{station")


def test_django(site: Site) -> None:
    with serving(site, "django_app") as server:
        for stars in (3, 5):
            assert json.loads(server.get(f"/rate/about?stars={stars}")) == {"thanks": True}
        assert server.client.get("/rate/about?stars=6").status_code == 400

    events = site.stored()
    assert counted(events) == {"rating": 2, "rating.total": 2, "http.request": 3}
    assert [event.data["stars"] for event in of(events, "rating.total")] == [3, 8]
    assert {event.correlationid for event in of(events, "rating")} == {
        event.correlationid for event in of(events, "rating.total")
    }
    assert routes(events) == [("/rate/{page}", status) for status in (200, 200, 400)]


def test_quart(site: Site) -> None:
    with serving(site, "quart_app") as server:
        for _ in range(2):
            assert server.client.get("/asgi").headers["location"] == "https://asgi.readthedocs.io/"
        assert server.client.get("/nowhere").status_code == 404

    events = site.stored()
    assert counted(events) == {"visit": 3, "link.popular": 1, "http.request": 3}
    assert [event.data["known"] for event in of(events, "visit")] == [True, True, False]
    assert routes(events) == [("/{name}", 302), ("/{name}", 302), (None, 404)]


def test_websocket(site: Site) -> None:
    with serving(site, "websocket_app") as server:
        url = str(server.client.base_url).replace("http", "ws")
        with connect(f"{url}/spell", proxy=None) as first, connect(f"{url}/spell", proxy=None) as second:
            first.send("jurnal")
            assert json.loads(first.recv()) == ["journal"]
            second.send("queue")
            assert json.loads(second.recv()) == ["queue"]
        wait_for(lambda: counted(site.stored())["spelling.finished"] == 2)

    events = site.stored()
    assert counted(events) == {"spelling": 2, "spelling.finished": 2}
    for word in of(events, "spelling"):
        assert [
            event.data for event in of(events, "spelling.finished") if event.correlationid == word.correlationid
        ] == [{"words": 1, "known": int(word.data["known"])}]
