"""What all adapters of AWS have in common: one client, opened when it is first needed, and an end."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from fireforget.abc import Clock, SystemClock
from fireforget.adapters import Closable
from fireforget.errors import AdapterError, ClosedError
from fireforget_aws._errors import blames_credentials, translated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fireforget_aws.access import Access

C = TypeVar("C")
"""The client of one service, as its type stubs know it."""
T = TypeVar("T")


class AwsAdapter(Closable, Generic[C]):
    """Calls one service of AWS from one event loop.

    Args:
        access: How AWS is reached.
        clock: Where time comes from; None for the machine's own.
    """

    service: ClassVar[str]
    """The SDK's name of the service."""

    def __init__(self, access: Access, clock: Clock | None = None) -> None:
        self._access = access
        self._clock = clock or SystemClock()
        self._client: C | None = None
        self._opening: asyncio.Lock | None = None
        self._opened: dict[C, AsyncExitStack] = {}
        self._calls = Counter[C]()
        self._running: set[asyncio.Task[Any]] = set()

    async def prepare(self) -> None:
        """Make the client ahead of the first call. See `fireforget.abc.Preparable`."""
        await self._call(lambda _: asyncio.sleep(0))

    async def _call(self, work: Callable[[C], Awaitable[T]]) -> T:
        """Do some work with the client.

        Raises:
            AdapterError: What the SDK raised, translated.
            ClosedError: The adapter is closed, or was closed meanwhile.
        """
        self._check_open()
        task = asyncio.ensure_future(self._work(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            return await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is None or caller.cancelling() or not self._closed:
                raise
            raise ClosedError(f"this {type(self).__name__} was closed meanwhile: make another one") from None

    async def _work(self, work: Callable[[C], Awaitable[T]]) -> T:
        with translated():
            client = await self._open()
        self._calls[client] += 1
        try:
            with translated():
                return await work(client)
        except AdapterError as error:
            if client is self._client and blames_credentials(error):
                self._client = None  # it never reads again where they came from; the next one does
            raise
        finally:
            self._calls[client] -= 1
            if client is not self._client and not self._calls[client]:
                await self._free(client)

    async def _free(self, client: C) -> None:
        del self._calls[client]
        if client in self._opened:
            await self._opened.pop(client).aclose()

    async def _open(self) -> C:
        """The client; of several calls at the beginning, one makes it."""
        if self._client is not None:
            return self._client
        self._opening = self._opening or asyncio.Lock()
        async with self._opening:
            return await self._opened_once()

    async def _opened_once(self) -> C:
        if self._client is not None:
            return self._client
        async with AsyncExitStack() as stack:
            client: C = await stack.enter_async_context(self._access.client(self.service))
            self._opened[client] = stack.pop_all()
        self._client = client
        return client

    async def aclose(self) -> None:
        """End the calls under way with `ClosedError`, and free the connections. Idempotent."""
        await super().aclose()
        running = [task for task in self._running if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        self._client = None
        for client in list(self._opened):
            await self._free(client)
