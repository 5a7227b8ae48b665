"""How long an adapter may take, on both loops: what is late, or ends itself, has failed for now."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

import anyio
import pytest

from fireforget.errors import PermanentError, TransientError
from fireforget.processing.patience import Patience

pytestmark = pytest.mark.anyio

Call = Callable[[], Awaitable[int]]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def waits() -> int:
    await anyio.sleep_forever()
    raise AssertionError


async def is_deaf_once() -> int:
    """It swallows the first cancellation, and waits on."""
    try:
        await anyio.sleep_forever()
    except BaseException:  # noqa: BLE001 - that is what it gets wrong
        await anyio.sleep_forever()
    raise AssertionError


async def pretends() -> int:
    """It was cancelled, and says that all is well."""
    try:
        await anyio.sleep_forever()
    finally:
        return 1  # noqa: B012 - that is what it gets wrong


async def stumbles() -> int:
    """It breaks over its cancellation."""
    try:
        await anyio.sleep_forever()
    finally:
        raise ValueError("no socket")


@pytest.mark.parametrize("call", [waits, is_deaf_once, pretends, stumbles])
async def test_what_is_late_has_failed_for_now_whatever_it_makes_of_its_cancellation(call: Call) -> None:
    with anyio.fail_after(10), pytest.raises(TransientError) as caught:
        await Patience(0.01).answer(call(), "the store's put")

    assert str(caught.value) == "the store's put: no answer within call_timeout = 0.01 s"
    await anyio.lowlevel.checkpoint()  # nothing of the cancellation is left


async def test_what_is_in_time_returns_and_raises_as_it_is() -> None:
    async def answers() -> int:
        await anyio.lowlevel.checkpoint()
        return 7

    async def fails() -> int:
        raise PermanentError("no table")

    assert await Patience(60).answer(answers(), "call") == 7
    with pytest.raises(PermanentError, match="no table"):
        await Patience(60).answer(fails(), "call")


async def test_what_was_asked_to_wait_has_that_time_besides() -> None:
    deadlines = []

    async def receive() -> None:
        deadlines.append(anyio.current_effective_deadline())

    now = anyio.current_time()
    await Patience(60).answer(receive(), "receive", waits=1000)

    assert 1060 <= deadlines[0] - now < 1100


async def test_who_cancels_the_caller_is_obeyed() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await Patience(60).answer(waits(), "call")

    assert scope.cancelled_caught


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_an_adapter_that_cancels_its_own_call_ends_nobody_else() -> None:
    """As the SDK does whose channel is closed."""

    async def cancels_itself() -> int:
        raise asyncio.CancelledError

    with pytest.raises(TransientError, match="call: the adapter cancelled its own call"):
        await Patience(60).answer(cancels_itself(), "call")


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_task_that_is_cancelled_in_the_manner_of_asyncio_ends() -> None:
    task = asyncio.ensure_future(Patience(math.inf).answer(waits(), "call"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})

    assert task.cancelled()
