"""A load generator: requests as fast as they are answered (a closed loop), or at fixed moments (an open one)."""

from __future__ import annotations

import asyncio
import re
import statistics
from collections import deque
from contextlib import asynccontextmanager
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

HOST: Final = "127.0.0.1"
POOL: Final = 64
"""Connections that requests at fixed moments share."""
_LOOK_SECONDS: Final = 0.01

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
    """Ask as fast as the answers come: each connection asks again as soon as it has been answered.

    Args:
        port: Of the server, on this machine.
        connections: How many there are.
        seconds: For how long.
        warmup: For how long before that, which is not counted.

    Raises:
        ConnectionError: The server has closed a connection, has answered an error, or hardly anything.
    """
    found: list[float] = []

    def ask_again(client: _Client) -> None:
        found.append(perf_counter() - client.asked)
        client.ask(perf_counter())

    async with _connected(port, connections, ask_again) as clients:
        for client in clients:
            client.ask(perf_counter())
        await asyncio.sleep(warmup)
        before, began = len(found), perf_counter()
        await asyncio.sleep(seconds)
        took, counted = perf_counter() - began, found[before:]
    return _answers(counted, took)


async def arrivals(port: int, rate: float, seconds: float, warmup: float, patience: float = 30.0) -> Answers:
    """Ask at fixed moments, however long the answers take.

    The time of an answer counts from the moment at which it was due to be asked for, also where all connections were
    waiting for answers then: a server that stands still for a while is not spared what would have come meanwhile.

    Args:
        port: Of the server, on this machine.
        rate: Requests a second.
        seconds: For how long.
        warmup: For how long before that, which is not counted.
        patience: Seconds to wait for the last answers.

    Raises:
        ConnectionError: The server has closed a connection, has answered an error, or has not answered all.
    """
    due: deque[float] = deque()
    idle: list[_Client] = []
    found: list[tuple[float, float]] = []

    def ask_for_the_next(client: _Client) -> None:
        found.append((client.asked, perf_counter()))
        if due:
            client.ask(due.popleft())
        else:
            idle.append(client)

    count = round(rate * (warmup + seconds))
    async with _connected(port, POOL, ask_for_the_next) as clients:
        idle += clients
        began = perf_counter()
        for number in range(count):
            moment = began + number / rate
            await asyncio.sleep(max(0.0, moment - perf_counter()))
            if idle:
                idle.pop().ask(moment)
            else:
                due.append(moment)
        until = perf_counter() + patience
        while len(found) < count and perf_counter() < until:
            if any(client.trouble for client in clients):
                break
            await asyncio.sleep(_LOOK_SECONDS)
    if len(found) < count:
        message = f"{count - len(found)} of {count} requests were not answered within {patience:g} s"
        raise ConnectionError(message)
    first = began + warmup
    counted = [(asked, answered) for asked, answered in found if asked >= first]
    return _answers([answered - asked for asked, answered in counted], max(seconds, counted[-1][1] - first))


@asynccontextmanager
async def _connected(port: int, connections: int, answered: Callable[[_Client], None]) -> AsyncIterator[list[_Client]]:
    """Some connections, which are closed at the end.

    Raises:
        ConnectionError: One of them was closed before, or has had an answer that is an error.
    """
    loop = asyncio.get_running_loop()
    clients = [_Client(answered) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(partial(_itself, client), HOST, port)
    try:
        yield clients
    finally:
        for client in clients:
            client.close()
        await asyncio.gather(*(client.ended.wait() for client in clients))
    for client in clients:
        if client.trouble:
            raise ConnectionError(client.trouble)


def _answers(found: list[float], took: float) -> Answers:
    """What came of a load.

    Raises:
        ConnectionError: The server has answered hardly anything.
    """
    if len(found) < 2:
        message = f"the server has answered {len(found)} requests in {took:.3g} s"
        raise ConnectionError(message)
    hundredths = statistics.quantiles(found, n=100)
    return Answers(len(found) / took, hundredths[49], hundredths[94], hundredths[98])


def _itself(client: _Client) -> _Client:
    return client


class _Client(asyncio.Protocol):
    """One connection.

    Attributes:
        asked: When the request that is under way was asked for.
        trouble: What went wrong; empty where nothing did.
        ended: Set when it is closed.

    Args:
        answered: Called after each answer; it may ask again.
    """

    def __init__(self, answered: Callable[[_Client], None]) -> None:
        self.asked = 0.0
        self.trouble = ""
        self.ended = asyncio.Event()
        self._answered = answered
        self._closing = False
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def ask(self, moment: float) -> None:
        """Send a request, which was due at a moment."""
        self.asked = moment
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
        self._buffer = b""
        if not head.startswith(b"HTTP/1.1 200"):
            self.trouble = f"the server has answered {head[:40]!r}"
        elif not self._closing:
            self._answered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()
        if not self._closing:
            self.trouble = f"the server has closed a connection: {exc}"
