"""A host that takes the processor away with the response: what the request left behind is safe by then."""

import asyncio
import signal
from pathlib import Path

import pytest

from fireforget import Settings
from fireforget._backends import Adapters
from fireforget.abc import Depth
from tests.programs import Site

APP = """
from fireforget import FireForget, current_context

ff = FireForget()

async def answer(scope, receive, send):
    assert scope["type"] == "http"
    async def later():
        ff.emit("later", {})
    current_context().wait_until(later(), start="after_response")
    ff.emit("query", {"path": scope["path"]})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})

app = ff.wrap(answer)
"""


async def depth(directory: Path) -> Depth:
    queue = Adapters(Settings(directory=str(directory))).queue()
    try:
        return await queue.depth()
    finally:
        await queue.aclose()


@pytest.mark.parametrize("variables", [{"host_name": "cloud-run", "host_cpu": "request"}, {"host_name": "unknown"}])
def test_a_process_that_is_frozen_with_its_response_has_delivered_before(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    site = Site(tmp_path, processing_embedded="false", dispatch_linger_seconds=3600, http_events="true", **variables)
    with site.served(APP) as server:
        for number in range(1, 4):
            server.get(f"/{number}")
            server.process.send_signal(signal.SIGSTOP)
            frozen = asyncio.run(depth(tmp_path / ".fireforget"))
            server.process.send_signal(signal.SIGCONT)

            assert frozen.visible == number
