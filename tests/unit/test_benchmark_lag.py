"""The lag of the event loop: a round in another process, which may be another Python."""

import platform
import sys

import msgspec
import pytest

from benchmarks.peers import lag

pytestmark = pytest.mark.asyncio


async def test_a_process_tells_which_python_it_is_and_how_late_its_loop_was() -> None:
    name = await lag._output(sys.executable, "name")
    lags = msgspec.json.decode(await lag._output(sys.executable, "no"), type=list[float])

    assert name.removesuffix(", free-threaded") == f"Python {platform.python_version()}"
    assert 10 < len(lags) <= lag.SECONDS / lag.TICK_SECONDS


async def test_a_process_that_fails_is_told_of_with_what_it_said() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)benchmarks\.peers\.lag yess: Traceback.*Invalid enum value 'yess'"):
        await lag._output(sys.executable, "yess")
