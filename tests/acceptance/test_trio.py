"""Under trio: the same promises, without any asyncio loop of the application."""

from pathlib import Path

import pytest

from tests.programs import Site, check_once

APPLICATION = """
import trio
from fireforget import FireForget, current_context

ff = FireForget()

async def app(scope, receive, send):
    async def later():
        for _ in range(100):  # turns, so that it is not done when the drain begins
            await trio.lowlevel.checkpoint()
        print(ff.emit("late", {}), flush=True)
    print(ff.emit("query", {}), flush=True)
    current_context().wait_until(later())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})

wrapped = ff.wrap(app)
scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "client": None}

async def receive():
    await trio.sleep_forever()

async def send(message):
    await trio.lowlevel.checkpoint()
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, drain_seconds=30)


def test_a_drain_waits_for_work_and_delivers_everything(site: Site) -> None:
    printed = site.run(
        APPLICATION
        + """
async def main():
    for _ in range(5):
        await wrapped(scope, receive, send)
    pending = await ff.drain()
    assert pending == 0

trio.run(main)
"""
    )

    check_once(site.stored(), printed.split())
    assert len(site.stored()) == 10


def test_work_goes_on_where_the_nursery_of_its_request_is_cancelled(site: Site) -> None:
    printed = site.run(
        APPLICATION
        + """
async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wrapped, scope, receive, send)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    await ff.drain()

import trio.testing
trio.run(main)
"""
    )

    assert len(printed.split()) == 2
    check_once(site.stored(), printed.split())


def test_what_was_emitted_under_trio_is_delivered_at_the_exit(site: Site) -> None:
    printed = site.run("""
        import trio
        from fireforget import FireForget
        ff = FireForget()

        async def main():
            async with trio.open_nursery() as nursery:
                for n in range(20):
                    nursery.start_soon(emit, n)

        async def emit(n):
            await trio.lowlevel.checkpoint()
            print(await trio.to_thread.run_sync(ff.emit, "query", {"n": n}), flush=True)

        trio.run(main)
    """)

    check_once(site.stored(), printed.split())
    assert len(site.stored()) == 20


def test_an_async_with_block_works_under_trio(site: Site) -> None:
    printed = site.run("""
        import os, trio
        from fireforget import FireForget

        async def main():
            async with FireForget() as ff:
                print(ff.emit("query", {}), flush=True)

        trio.run(main)
        os._exit(0)
    """)

    check_once(site.stored(), printed.split())
