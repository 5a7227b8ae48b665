"""The load generator of the benchmarks, and the service that counts what libraries deliver."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from http.client import HTTPConnection

import pytest

from benchmarks.peers.load import POOL, Answers, arrivals, load
from benchmarks.peers.sink import TEXT, remote_sink

Ask = Callable[[int], Awaitable[Answers]]

CLOSED: Ask = partial(load, connections=3, seconds=0.05, warmup=0.01)
OPEN: Ask = partial(arrivals, rate=1000, seconds=0.05, warmup=0.01)
OK = (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n", b"\r\nok", b"ok")


class Served:
    """Where a server listens, and how many answers each connection had at its end."""

    def __init__(self) -> None:
        self.port = 0
        self.counts: list[int] = []


@asynccontextmanager
async def serving(*parts: bytes, turn: Callable[[], Awaitable[object]] | None = None) -> AsyncIterator[Served]:
    """A server that answers each request with these parts, after its turn has come."""
    served = Served()
    ended: list[asyncio.Event] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(served.counts)
        served.counts.append(0)
        ended.append(asyncio.Event())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                if turn is not None:
                    await turn()
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                served.counts[number] += 1
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        ended[number].set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        served.port = server.sockets[0].getsockname()[1]
        try:
            yield served
        finally:
            await asyncio.gather(*(each.wait() for each in ended))


@pytest.mark.asyncio
async def test_each_connection_asks_again_when_it_has_the_whole_answer() -> None:
    async with serving(*OK) as served:
        found = await CLOSED(served.port)

    assert len(served.counts) == 3
    assert min(served.counts) > 1
    assert 0 < found.rate <= sum(served.counts) / 0.05
    assert 0 < found.p50 <= found.p95 <= found.p99


@pytest.mark.asyncio
async def test_requests_at_fixed_moments_are_all_answered() -> None:
    async with serving(*OK) as served:
        found = await arrivals(served.port, rate=2000, seconds=0.1, warmup=0.01)

    assert sum(served.counts) == 220
    assert len(served.counts) == POOL
    assert 0 < found.rate <= 2000
    assert 0 < found.p50 <= found.p95 <= found.p99


@pytest.mark.asyncio
async def test_what_was_due_while_the_server_stood_still_counts_from_when_it_was_due() -> None:
    """A closed loop would have found as many slow answers as there are connections."""
    gate, still = asyncio.Event(), 0.3

    async def wait_for_the_gate() -> None:
        if not gate.is_set():
            asyncio.get_running_loop().call_later(still, gate.set)
        await gate.wait()

    async with serving(*OK, turn=wait_for_the_gate) as served:
        found = await arrivals(served.port, rate=1000, seconds=still, warmup=0.0)

    assert sum(served.counts) == 300 > 2 * POOL
    assert found.p50 > still / 3
    assert found.p99 > still * 0.9


@pytest.mark.asyncio
async def test_a_server_that_does_not_answer_all_is_told_of() -> None:
    gate = asyncio.Event()
    async with serving(*OK, turn=gate.wait) as served:
        with pytest.raises(ConnectionError, match=r"10 of 10 requests were not answered within 0\.01 s"):
            await arrivals(served.port, rate=1000, seconds=0.01, warmup=0.0, patience=0.01)
        gate.set()


@pytest.mark.asyncio
@pytest.mark.parametrize("ask", [CLOSED, OPEN])
async def test_an_answer_that_is_an_error_is_told(ask: Ask) -> None:
    async with serving(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n") as served:
        with pytest.raises(ConnectionError, match="HTTP/1.1 500"):
            await ask(served.port)


def test_the_service_counts_events_in_whatever_format_they_come() -> None:
    with remote_sink() as sink:
        client = HTTPConnection(sink.url.removeprefix("http://"))
        client.request("POST", "/", body=b'{"query": "' + TEXT + b'"}\n\x00' + TEXT)
        assert client.getresponse().status == 200
        client.close()
        assert sink.count() == 2
