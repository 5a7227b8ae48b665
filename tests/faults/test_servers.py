"""SIGTERM right after the requests, under every server: what it accepted is stored, at once or after the next start."""

import signal
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.faults.cases import SERVER, SHOP
from tests.programs import UVICORN, Server, Site, check_once, need
from tests.waiting import PATIENCE, wait_for

PYTHON: Final = (sys.executable, "-m")
STAGED: Final = "tests.faults.shop:staged_app"
GUNICORN: Final = (*PYTHON, "gunicorn", "--bind", "127.0.0.1:{port}", "--worker-class", "uvicorn_worker.UvicornWorker")
HYPERCORN: Final = (*PYTHON, "hypercorn", "--bind", "127.0.0.1:{port}")
GRANIAN: Final = (*PYTHON, "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}")

SERVERS: Final = {
    "uvicorn": (*UVICORN, STAGED),
    "uvicorn, 2 workers": (*UVICORN, "--workers", "2", STAGED),
    "uvicorn, --reload": (*UVICORN, "--reload", STAGED),
    "gunicorn": (*GUNICORN, "--workers", "2", STAGED),
    "gunicorn, --preload": (*GUNICORN, "--workers", "2", "--preload", STAGED),
    "hypercorn": (*HYPERCORN, STAGED),
    "granian": (*GRANIAN, STAGED),
    "granian, 2 workers": (*GRANIAN, "--workers", "2", STAGED),
    "daphne": (*PYTHON, "daphne", "--bind", "127.0.0.1", "--port", "{port}", SHOP),
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, drain_seconds=30, processing_lease_seconds=1)


def modules(command: tuple[str, ...]) -> list[str]:
    """What a command line needs."""
    return [command[2], *(["uvicorn_worker"] if "uvicorn_worker.UvicornWorker" in command else [])]


def ordered(server: Server, count: int = 50) -> list[str]:
    """Order again and again; the ids that the answers tell. The last connection stays open.

    Each order has a connection of its own. On a shared one each answer would wait 40 ms under uvicorn's supervisors:
    their sockets keep Nagle's algorithm, so that its second part waits for the client's delayed acknowledgement.
    """
    closing = [server.get("/order", headers={"connection": "close"}) for _ in range(count - 1)]
    return [answer.split()[1] for answer in (*closing, server.get("/order"))]


def answers_from_another(server: Server, pid: str) -> bool:
    """Has another process taken over?"""
    try:
        return server.get("/pid") != pid
    except httpx.TransportError:  # the old one has hung up
        return False


def change_until_reloaded(server: Server, file: Path, text: str, pid: str) -> None:
    """Change a file; again, where uvicorn has taken the change for how the file was at first."""
    for attempt in count(1):
        file.write_text(text + attempt * "\n")
        with suppress(TimeoutError):
            wait_for(lambda: answers_from_another(server, pid), PATIENCE / 5)
            return
        assert attempt < 5, server.log


@pytest.mark.parametrize("name", SERVERS)
def test_a_sigterm_right_after_fifty_requests_loses_nothing(site: Site, name: str) -> None:
    need(*modules(SERVERS[name]))
    with site.serving(*SERVERS[name]) as server:
        handlers = server.get("/handlers")
        ids = ordered(server)
        server.stop(signal.SIGTERM)
        log = server.log

    events = site.stored()
    types = [event.type for event in events]
    check_once(events, ids)
    assert types.count("order") == 50
    assert types.count("startup") == types.count("shutdown")
    workers = 0 if name == "daphne" else 2 if "2" in name or "gunicorn" in name else 1
    assert min(workers, 1) <= types.count("startup") <= workers  # a second worker may come too late to start
    assert "fireforget" not in handlers
    assert "Traceback" not in log


def test_an_application_without_lifespan_is_drained_as_well(site: Site) -> None:
    with site.serving(*SERVER) as server:
        ids = ordered(server)
        server.stop(signal.SIGTERM)

    check_once(site.stored(), ids)


def test_where_the_server_has_no_lifespan_the_next_start_delivers_the_rest(site: Site) -> None:
    with site.serving(*SERVER, "--lifespan", "off") as server:
        ids = ordered(server)
        server.stop(signal.SIGTERM)
    with site.serving(*SERVER) as server:
        ids += ordered(server, 1)
        site.wait_for_events(ids)
        server.stop(signal.SIGTERM)

    check_once(site.stored(), ids)
    assert len(site.stored()) == 51


def test_what_a_server_cuts_off_that_ends_all_workers_with_the_first_the_next_start_delivers(site: Site) -> None:
    """As hypercorn does with several workers: a second one that still drains is ended when the first is through."""
    need("hypercorn")
    with site.serving(*HYPERCORN, "--workers", "2", STAGED) as server:
        ids = ordered(server)
        server.stop(signal.SIGTERM)
    with site.serving(*SERVER) as server:
        site.wait_for_events(ids)
        server.stop(signal.SIGTERM)

    check_once(site.stored(), ids)
    assert site.journals() == []


def test_a_reload_loses_nothing(site: Site) -> None:
    module = "from tests.faults.shop import staged_app as app\n"
    with site.served(module, "--reload") as server:
        before = server.get("/order").split()
        ids = [before[1], *ordered(server)]
        change_until_reloaded(server, site.path / "served.py", module, before[0])
        ids += ordered(server)
        server.stop(signal.SIGTERM)

    check_once(site.stored(), ids)
    assert [event.type for event in site.stored()].count("shutdown") == 2


@pytest.mark.parametrize(
    "command",
    [
        (*GUNICORN, "--graceful-timeout", "1"),
        (*GRANIAN, "--workers-kill-timeout", "1"),
    ],
    ids=["gunicorn", "granian"],
)
def test_what_a_graceful_timeout_shorter_than_the_drain_cuts_off_is_delivered_by_the_next_start(
    site: Site, command: tuple[str, ...]
) -> None:
    need(*modules(command))
    with site.serving(*command, "tests.faults.slow_shop:app") as server:
        ids = ordered(server)
        server.stop(signal.SIGTERM)
    assert site.stored() == []
    with site.serving(*command, STAGED) as server:
        site.wait_for_events(ids)
        server.stop(signal.SIGTERM)

    check_once(site.stored(), ids)
    assert site.journals() == []
