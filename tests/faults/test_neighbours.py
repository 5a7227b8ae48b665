"""Several processes on one directory: what a dead one left is adopted once, by one of its own kind."""

import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from fireforget._journal import totals
from tests.faults.cases import SERVER
from tests.programs import Site, check_once
from tests.waiting import wait_for

DIE = """
import os, signal
from fireforget import DispatchSettings, FireForget, Settings
# it lingers for so long that it dies before it has published anything
ff = FireForget(Settings(dispatch=DispatchSettings(linger_seconds=3600)))
print(*(ff.emit("orphan", {"n": n}) for n in range(10)), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, drain_seconds=30, journal_adopt_seconds=0.1)


def test_a_living_neighbour_delivers_what_a_dead_process_left(site: Site) -> None:
    with site.serving(*SERVER) as server:
        server.get("/order")
        ids = site.run(DIE, code=-signal.SIGKILL).split()
        site.wait_for_events(ids)
        wait_for(lambda: len(site.journals()) == 1)
        server.stop(signal.SIGTERM)

    check_once(site.stored(), ids)
    assert [event.type for event in site.stored()].count("orphan") == len(ids) == 10


def test_of_servers_that_start_at_once_each_dead_journal_is_adopted_by_one(site: Site) -> None:
    ids = [id_ for _ in range(4) for id_ in site.run(DIE, code=-signal.SIGKILL).split()]
    assert len(site.journals()) == 4

    with ExitStack() as stack:
        servers = [stack.enter_context(site.starting(*SERVER)) for _ in range(3)]
        site.wait_for_events(ids)
        wait_for(lambda: len(site.journals()) == 3)
        for server in servers:
            server.stop(signal.SIGTERM)

    check_once(site.stored(), ids)
    found = totals(site.path / ".fireforget" / "journal")
    assert (found.counts.recovered, found.counts.accepted, found.journals) == (40, 40, 0)


def test_neighbours_that_are_scaled_away_leave_nothing_behind(site: Site) -> None:
    """Of five processes four are killed, one after the other, and the last one is told to end."""
    with ExitStack() as stack:
        servers = [stack.enter_context(site.starting(*SERVER)) for _ in range(5)]
        ids = list[str]()
        while servers:
            for server in servers:
                server.wait_until_it_listens(60)
                ids += [server.get("/order").split()[1] for _ in range(10)]
            servers.pop().stop(signal.SIGKILL if servers[1:] else signal.SIGTERM)

    check_once(site.stored(), ids)
    assert site.journals() == []
    assert totals(site.path / ".fireforget" / "journal").counts.accepted == len(ids) == 150


@pytest.mark.parametrize("setting", ['queue="sqlite:///other.db", store="sqlite:///other.db"', 'name="another"'])
def test_the_journal_of_a_program_with_another_queue_is_left_alone(site: Site, setting: str) -> None:
    stranger = f"""
        import os, signal
        from fireforget import FireForget, Settings
        ff = FireForget(Settings({setting}))
        ff.emit("stranger", {{}})
        os.kill(os.getpid(), signal.SIGKILL)
        """
    site.run(stranger, code=-signal.SIGKILL)
    (left,) = site.journals()

    with site.serving(*SERVER) as server:
        server.get("/order")
        server.stop(signal.SIGTERM)
        log = server.log

    assert site.journals() == [left]
    assert {event.type for event in site.stored()} == {"order"}
    assert f"{left.name} of a dead process is left alone: it is for another queue" in log
