"""A load generator: connections that each ask again as soon as they have been answered."""

from __future__ import annotations

import asyncio
import re
import statistics
from functools import partial
from time import perf_counter
from typing import Final, cast

import msgspec

HOST: Final = "127.0.0.1"

_REQUEST: Final = (
    b"GET / HTTP/1.1\r\nhost: example.org\r\naccept: */*\r\naccept-language: en-GB\r\n"
    b"user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\r\n"
)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


class Answers(msgspec.Struct, frozen=True):
    """What came of a load.

    Args:
        rate: Answers a second.
        p50: Half of the answers took less, in seconds.
        p95: 95 of a hundred.
        p99: 99 of a hundred.
    """

    rate: float
    p50: float
    p95: float
    p99: float


async def load(port: int, connections: int, seconds: float, warmup: float) -> Answers:
    """Ask as fast as the answers come.

    Args:
        port: Of the server, on this machine.
        connections: How many there are.
        seconds: For how long.
        warmup: For how long before that, which is not counted.

    Raises:
        ConnectionError: The server has closed a connection, has answered an error, or hardly anything.
    """
    loop = asyncio.get_running_loop()
    clients = [_Client() for _ in range(connections)]
    for client in clients:
        await loop.create_connection(partial(_itself, client), HOST, port)
    try:
        for client in clients:
            client.ask()
        await asyncio.sleep(warmup)
        before, began = [len(client.seconds) for client in clients], perf_counter()
        await asyncio.sleep(seconds)
        took = perf_counter() - began
        found = [each for client, first in zip(clients, before, strict=True) for each in client.seconds[first:]]
    finally:
        for client in clients:
            client.close()
        await asyncio.gather(*(client.ended.wait() for client in clients))
    for client in clients:
        if client.trouble:
            raise ConnectionError(client.trouble)
    if len(found) < 2:
        message = f"the server has answered {len(found)} requests in {seconds:g} s"
        raise ConnectionError(message)
    hundredths = statistics.quantiles(found, n=100)
    return Answers(len(found) / took, hundredths[49], hundredths[94], hundredths[98])


def _itself(client: _Client) -> _Client:
    return client


class _Client(asyncio.Protocol):
    """One connection, and how long each of its answers took."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.trouble = ""
        self.ended = asyncio.Event()
        self._closing = False
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def ask(self) -> None:
        """Send a request."""
        self._asked = perf_counter()
        self._transport.write(_REQUEST)

    def close(self) -> None:
        """Ask no more."""
        self._closing = True
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        if not end or length is None or len(body) < int(length[1]):
            return
        self.seconds.append(perf_counter() - self._asked)
        self._buffer = b""
        if not head.startswith(b"HTTP/1.1 200"):
            self.trouble = f"the server has answered {head[:40]!r}"
        elif not self._closing:
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()
        if not self._closing:
            self.trouble = f"the server has closed a connection: {exc}"
