"""What `emit` may cost, in units of encoding the same event and keeping it in memory."""

from pathlib import Path

import pytest

from benchmarks.emit import Burst, keep
from benchmarks.measure import Case, interleave, ratio
from benchmarks.queues import NullQueue
from benchmarks.workload import EVENT, new_fireforget, settings

BUDGET = 10.0
"""More than twice what it is."""


@pytest.mark.asyncio
async def test_emit_keeps_to_its_budget(tmp_path: Path) -> None:
    async with new_fireforget(settings(tmp_path), NullQueue()) as ff:
        with ff.context(sessionid="s-1"):
            rounds = await interleave(
                [
                    Case("floor", Burst("append(encode(event))", keep() | {"event": EVENT})),
                    Case("emit", Burst("emit(event)", {"emit": ff.emit, "event": EVENT}), ff.drain),
                ],
                rounds=20,
            )
        await ff.drain()
        assert ff.stats().delivered == ff.stats().accepted > 0

    # Of the best rounds: whatever else runs on the machine can only make a round worse.
    assert ratio(rounds["emit"], rounds["floor"]).least < BUDGET
