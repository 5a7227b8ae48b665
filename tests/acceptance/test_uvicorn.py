"""Under a real server: no event that a client was told of is lost, however the process ends."""

import signal
import threading
from pathlib import Path

import httpx
import pytest

from tests.programs import Server, Site, check_once
from tests.waiting import wait_for

SHOP = """
import asyncio
from contextlib import asynccontextmanager
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from fireforget import FireForget, current_context

ff = FireForget()

async def query(request):
    return PlainTextResponse(str(ff.emit("query", {"n": request.query_params.get("n")})))

async def work(request):
    async def later():
        await asyncio.sleep(float(request.query_params["seconds"]))
        ff.emit("late", {"n": request.query_params["n"]})
    current_context().wait_until(later(), start="after_response")
    return PlainTextResponse("ok")

async def stats(request):
    counts = ff.stats()
    return PlainTextResponse(f"{counts.accepted} {counts.recovered}")

@asynccontextmanager
async def lifespan(app):
    ff.emit("startup", {})
    yield
    ff.emit("shutdown", {})

app = ff.wrap(Starlette(
    routes=[Route("/query", query), Route("/work", work), Route("/stats", stats)], lifespan=lifespan
))
"""

BARE = """
from fireforget import FireForget

ff = FireForget()

async def bare(scope, receive, send):
    assert scope["type"] == "http"
    event_id = ff.emit("query", {"path": scope["path"]})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(event_id).encode()})

app = ff.wrap(bare)
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, drain_seconds=30)


def test_a_sigterm_right_after_fifty_requests_loses_nothing(site: Site) -> None:
    with site.served(SHOP) as server:
        ids = [server.get(f"/query?n={n}") for n in range(50)]
        server.stop(signal.SIGTERM)

    events = site.stored()
    check_once(events, ids)
    assert [event.type for event in events].count("query") == 50
    assert {event.type for event in events} == {"startup", "query", "shutdown"}


def test_a_shutdown_waits_for_work_that_outlives_its_response(site: Site) -> None:
    with site.served(SHOP) as server:
        for n in range(5):
            server.get(f"/work?n={n}&seconds=0.3")
        server.stop(signal.SIGTERM)

    assert sorted(event.data["n"] for event in site.stored() if event.type == "late") == ["0", "1", "2", "3", "4"]


def test_an_application_without_lifespan_is_drained_as_well(site: Site) -> None:
    with site.served(BARE) as server:
        ids = [server.get(f"/{n}") for n in range(50)]
        server.stop(signal.SIGTERM)

    check_once(site.stored(), ids)
    assert len(site.stored()) == 50


def test_where_the_server_has_no_lifespan_the_next_start_delivers_the_rest(tmp_path: Path) -> None:
    site = Site(tmp_path, processing_lease_seconds=1)  # what a worker had taken when it died is held back for so long
    with site.served(BARE, "--lifespan", "off") as server:
        ids = [server.get(f"/{n}") for n in range(50)]
        server.stop(signal.SIGTERM)
    with site.served(BARE) as server:
        server.get("/again")
        site.wait_for_events(ids)
        server.stop(signal.SIGTERM)

    check_once(site.stored(), ids)
    assert len(site.stored()) == 51


def load(server: Server, seen: list[str], lock: threading.Lock) -> None:
    """Ask again and again until the server is gone; remember what it answered."""
    with httpx.Client(base_url=server.client.base_url, trust_env=False) as client:
        while True:
            try:
                answer = client.get("/query?n=0")
            except httpx.HTTPError:
                return
            with lock:
                seen.append(answer.text)


def test_a_sigkill_in_the_middle_of_the_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, processing_lease_seconds=1)
    seen: list[str] = []
    lock = threading.Lock()
    with site.served(SHOP) as server:
        clients = [threading.Thread(target=load, args=(server, seen, lock)) for _ in range(4)]
        for client in clients:
            client.start()
        wait_for(lambda: len(seen) >= 300)
        server.stop(signal.SIGKILL)
        for client in clients:
            client.join()
    before = {event.id for event in site.stored()}

    with site.served(SHOP) as server:
        site.wait_for_events(seen)
        wait_for(lambda: len(site.journals()) == 1)
        server.stop(signal.SIGTERM)

    events = site.stored()
    check_once(events, seen)
    assert "None" not in seen
    assert before < {event.id for event in events}
    assert [event.type for event in events].count("startup") == 2


def test_processes_of_one_directory_share_the_store(site: Site) -> None:
    with site.served(SHOP) as first, site.served(SHOP) as second:
        ids = [server.get(f"/query?n={n}") for n in range(20) for server in (first, second)]
        first.stop(signal.SIGTERM)
        ids.append(second.get("/query?n=20"))
        second.stop(signal.SIGTERM)

    check_once(site.stored(), ids)


def test_the_journal_of_a_dead_process_is_adopted_by_a_living_neighbour(tmp_path: Path) -> None:
    site = Site(tmp_path, journal_adopt_seconds=0.1)
    with site.served(SHOP) as server:
        server.get("/query?n=0")
        printed = site.run(
            """
            import os, signal
            from fireforget import FireForget, Settings
            from fireforget._settings import DispatchSettings
            # it lingers for so long that it dies before it has published anything
            ff = FireForget(Settings(dispatch=DispatchSettings(linger_seconds=3600)))
            print(*(ff.emit("orphan", {"n": n}) for n in range(10)), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
            """,
            code=-signal.SIGKILL,
        )
        ids = printed.split()
        site.wait_for_events(ids)
        wait_for(lambda: len(site.journals()) == 1)
        server.stop(signal.SIGTERM)

    check_once(site.stored(), ids)
    assert [event.type for event in site.stored()].count("orphan") == len(ids) == 10


def test_the_journal_of_another_queue_is_left_alone(tmp_path: Path) -> None:
    site = Site(tmp_path, journal_adopt_seconds=0.1)
    program = """
        import os, signal
        from fireforget import FireForget, Settings
        ff = FireForget(Settings(queue="sqlite:///other.db", store="sqlite:///other.db"))
        ff.emit("stranger", {})
        os.kill(os.getpid(), signal.SIGKILL)
        """
    site.run(program, code=-signal.SIGKILL)
    (stranger,) = site.journals()

    with site.served(SHOP) as server:
        server.get("/query?n=0")
        server.stop(signal.SIGTERM)

    assert stranger in site.journals()
    assert "stranger" not in {event.type for event in site.stored()}


def test_a_startup_that_fails_fails_as_it_does_without_us(site: Site) -> None:
    module = SHOP.replace('ff.emit("startup", {})', 'ff.emit("startup", {}); raise ConnectionError("no database")')

    with pytest.raises(AssertionError, match="Application startup failed. Exiting"), site.served(module):
        pass

    assert [event.type for event in site.stored()] == ["startup"]
