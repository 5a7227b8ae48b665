"""The end of the interpreter, towards a host that has to be looked up: executors and name resolution still work."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.sink import Sink
from tests.programs import UVICORN, Site, need

SHOP = """
from fireforget import FireForget
from tests.faults.http_queue import HttpQueue

ff = FireForget(queue=HttpQueue(open("sink.url").read()))

async def shop(scope, receive, send):
    assert scope["type"] == "http"
    ff.emit("order", {"mark": scope["path"][1:]})
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})

app = ff.wrap(shop)
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, drain_seconds=30, processing_embedded=False)


@pytest.fixture
def sink(site: Site) -> Iterator[Sink]:
    """By its name: an address would need no executor."""
    with Sink() as sink:
        (site.path / "sink.url").write_text(f"http://localhost:{sink.server_port}")
        (site.path / "served.py").write_text(SHOP)
        yield sink
        sink.shutdown()


def marks(count: int) -> set[bytes]:
    return {b"mark-%032x-%d" % (0, number) for number in range(count)}


@pytest.mark.parametrize("end", ["", "raise LookupError"])
def test_a_script_that_emits_last_of_all_is_drained(site: Site, sink: Sink, end: str) -> None:
    site.run(
        f"""
        from served import ff
        for number in range(50):
            assert ff.emit("order", {{"mark": f"mark-{{0:032x}}-{{number}}"}})
        {end}
        """,
        code=1 if end else 0,
    )

    assert sink.marks == marks(50)
    assert site.journals() == []


def test_an_event_loop_that_is_closed_under_everything_costs_no_event(site: Site, sink: Sink) -> None:
    """Work that it had not finished ends with it, and holds the end of the program up no longer."""
    site.run("""
        import asyncio
        from fireforget import current_context
        from served import ff

        number = 0

        def emit():
            global number
            assert ff.emit("order", {"mark": f"mark-{0:032x}-{number}"})
            number += 1

        async def never():
            await asyncio.Event().wait()

        async def main(loop):
            emit()
            current_context().wait_until(never())
            await asyncio.sleep(0)
            loop.stop()
            await asyncio.Event().wait()

        for _ in range(10):
            loop = asyncio.new_event_loop()
            loop.set_exception_handler(lambda loop, context: None)  # which tells of tasks that never ended
            task = loop.create_task(main(loop))
            loop.run_forever()
            emit()
            loop.close()
            emit()
        """)

    assert sink.marks == marks(30)
    assert site.journals() == []


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_a_server_that_is_told_to_end_is_drained(site: Site, sink: Sink, server: str) -> None:
    need(server)
    daphne = (sys.executable, "-m", "daphne", "--bind", "127.0.0.1", "--port", "{port}")
    with site.serving(*(daphne if server == "daphne" else UVICORN), "served:app") as running:
        for mark in marks(50):
            running.get(f"/{mark.decode()}")
        running.stop(signal.SIGTERM)

    assert sink.marks == marks(50)
    assert site.journals() == []
