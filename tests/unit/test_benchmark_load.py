"""The load generator of the benchmarks, and the service that counts what libraries deliver."""

import asyncio
from contextlib import suppress
from http.client import HTTPConnection

import pytest

from benchmarks.peers.load import load
from benchmarks.peers.sink import TEXT, remote_sink


async def asked(*parts: bytes) -> list[int]:
    """Load a server that answers each request with these parts; how many answers each connection had at its end."""
    counts: list[int] = []
    ended: list[asyncio.Event] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(counts)
        counts.append(0)
        ended.append(asyncio.Event())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                counts[number] += 1
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        ended[number].set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        try:
            found = await load(server.sockets[0].getsockname()[1], connections=3, seconds=0.05, warmup=0.01)
        finally:
            await asyncio.gather(*(each.wait() for each in ended))
    assert 0 < found.rate <= sum(counts) / 0.05
    assert 0 < found.p50 <= found.p95 <= found.p99
    return counts


@pytest.mark.asyncio
async def test_each_connection_asks_again_when_it_has_the_whole_answer() -> None:
    counts = await asked(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n", b"\r\nok", b"ok")

    assert len(counts) == 3
    assert min(counts) > 1


@pytest.mark.asyncio
async def test_an_answer_that_is_an_error_is_told() -> None:
    with pytest.raises(ConnectionError, match="HTTP/1.1 500"):
        await asked(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n")


def test_the_service_counts_events_in_whatever_format_they_come() -> None:
    with remote_sink() as sink:
        client = HTTPConnection(sink.url.removeprefix("http://"))
        client.request("POST", "/", body=b'{"query": "' + TEXT + b'"}\n\x00' + TEXT)
        assert client.getresponse().status == 200
        client.close()
        assert sink.count() == 2
