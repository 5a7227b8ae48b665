"""Under a real server: its start, its work and its end. `tests/faults` has what may go wrong."""

import signal
from pathlib import Path

import pytest

from tests.programs import Site, check_once

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

@asynccontextmanager
async def lifespan(app):
    ff.emit("startup", {})
    yield
    ff.emit("shutdown", {})

app = ff.wrap(Starlette(
    routes=[Route("/query", query), Route("/work", work)], lifespan=lifespan
))
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, drain_seconds=30)


def test_a_shutdown_waits_for_work_that_outlives_its_response(site: Site) -> None:
    with site.served(SHOP) as server:
        for n in range(5):
            server.get(f"/work?n={n}&seconds=0.3")
        server.stop(signal.SIGTERM)

    assert sorted(event.data["n"] for event in site.stored() if event.type == "late") == ["0", "1", "2", "3", "4"]


def test_processes_of_one_directory_share_the_store(site: Site) -> None:
    with site.served(SHOP) as first, site.served(SHOP) as second:
        ids = [server.get(f"/query?n={n}") for n in range(20) for server in (first, second)]
        first.stop(signal.SIGTERM)
        ids.append(second.get("/query?n=20"))
        second.stop(signal.SIGTERM)

    check_once(site.stored(), ids)


def test_a_startup_that_fails_fails_as_it_does_without_us(site: Site) -> None:
    module = SHOP.replace('ff.emit("startup", {})', 'ff.emit("startup", {}); raise ConnectionError("no database")')

    with pytest.raises(ChildProcessError, match="Application startup failed. Exiting"), site.served(module):
        pass

    assert [event.type for event in site.stored()] == ["startup"]
