"""In a plain script without any loop: what it emits is delivered when it ends."""

import signal
from pathlib import Path

import pytest

from tests.programs import Site, check_once

NEXT = """
from fireforget import FireForget
from tests.waiting import wait_for
ff = FireForget()
ff.start()
directory = ff.settings.journal_directory
wait_for(lambda: sum(path.is_dir() for path in directory.iterdir()) == 1)
"""
"""Starts, and ends when there is no journal but its own."""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, drain_seconds=30, journal_adopt_seconds=0.1)


def test_what_a_script_emits_is_delivered_at_its_end(site: Site) -> None:
    printed = site.run("""
        from fireforget import FireForget
        ff = FireForget()
        print(*(ff.emit("query", {"n": n}) for n in range(100)))
    """)

    check_once(site.stored(), printed.split())
    assert len(site.stored()) == 100
    assert site.journals() == []


@pytest.mark.parametrize(("end", "code"), [("sys.exit(3)", 3), ("raise LookupError", 1), ("del ff", 0)])
def test_however_it_ends(site: Site, end: str, code: int) -> None:
    printed = site.run(
        f"""
        import sys
        from fireforget import FireForget
        ff = FireForget()
        print(ff.emit("query", {{}}), flush=True)
        {end}
        """,
        code=code,
    )

    check_once(site.stored(), printed.split())


def test_a_with_block_delivers_at_its_end(site: Site) -> None:
    printed = site.run("""
        from fireforget import FireForget
        with FireForget() as ff:
            ids = [ff.emit("query", {"n": n}) for n in range(10)]
        print(*ids, flush=True)
        import os
        os._exit(0)  # nothing of what happens at exit happens
    """)

    check_once(site.stored(), printed.split())
    assert site.journals() == []


def test_an_async_with_block_does_so_too(site: Site) -> None:
    printed = site.run("""
        import asyncio, os
        from fireforget import FireForget, current_context

        async def main():
            async with FireForget() as ff:
                print(ff.emit("query", {}))
                async def work():
                    await asyncio.sleep(0)
                    print(ff.emit("late", {}), flush=True)
                current_context().wait_until(work())

        asyncio.run(main())
        os._exit(0)
    """)

    check_once(site.stored(), printed.split())
    assert len(printed.split()) == 2


def test_what_a_killed_script_left_is_delivered_by_the_next_start(site: Site) -> None:
    printed = site.run(
        """
        import os, signal
        from fireforget import FireForget
        ff = FireForget()
        print(*(ff.emit("query", {"n": n}) for n in range(10)), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        code=-signal.SIGKILL,
    )
    site.run(NEXT)

    check_once(site.stored(), printed.split())


def test_an_event_of_an_atexit_handler_is_delivered_by_the_next_start(site: Site) -> None:
    program = """
        import atexit
        from fireforget import FireForget
        ff = FireForget()
        atexit.register(lambda: print(ff.emit("last", {}), flush=True))
        print(ff.emit("first", {}), flush=True)
    """

    ids = site.run(program).split()
    site.run(NEXT)

    check_once(site.stored(), ids)
    assert len(ids) == 2


def test_an_atexit_handler_may_be_the_first_to_emit(site: Site) -> None:
    program = """
        import atexit
        from fireforget import FireForget
        ff = FireForget()
        atexit.register(lambda: print(ff.emit("last", {}), flush=True))
    """

    ids = site.run(program).split()
    site.run(NEXT)

    check_once(site.stored(), ids)
    assert len(ids) == 1


def test_work_handed_over_in_a_script_is_finished_at_its_end(site: Site) -> None:
    printed = site.run("""
        import asyncio
        from fireforget import FireForget, current_context
        ff = FireForget()

        async def work():
            await asyncio.sleep(0.2)  # lasts longer than the rest of the program
            print("done", flush=True)

        current_context().wait_until(work())
    """)

    assert printed == "done\n"


def test_a_queue_that_is_down_at_the_end_costs_the_drain_time_and_nothing_else(tmp_path: Path) -> None:
    site = Site(tmp_path, drain_seconds=0.3)
    printed = site.run("""
        import time
        from fireforget import FireForget
        from fireforget.abc import Outcome
        from fireforget.local.memory import MemoryQueue

        class Down(MemoryQueue):
            async def publish(self, messages):
                return [Outcome("retry", "down") for _ in messages]

        ff = FireForget(queue=Down("down"))
        for n in range(10):
            ff.emit("query", {"n": n})
        began = time.monotonic()
        print(ff.drain_blocking(), time.monotonic() - began < 10)
    """)

    assert printed == "10 True\n"
    assert len(site.journals()) == 1


def test_nothing_is_started_where_nothing_is_emitted(site: Site) -> None:
    printed = site.run("""
        import sys, threading
        from fireforget import FireForget
        ff = FireForget()
        print(threading.active_count(), "asyncio" in sys.modules)
    """)

    assert printed == "1 False\n"
    assert not (site.path / ".fireforget").exists()
