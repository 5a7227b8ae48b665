"""One process that stands for one execution environment: it processes a batch again and again, and says what it took.

python -m benchmarks.functions.process ours http://127.0.0.1:1234
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from benchmarks.functions.batch import Context, event, messages

if TYPE_CHECKING:
    from collections.abc import Callable

INVOCATIONS: Final = 10
_WRITERS: Final = 32
"""As many as the pool of the handler has connections."""
_BATCH: Final = 25


def _ours() -> tuple[Callable[[], object], Callable[[], None]]:
    """The handler, as Lambda calls it."""
    from fireforget_aws.handlers.processor import ProcessorHandler

    handler, batch = ProcessorHandler(), event(messages())

    def invoke() -> None:
        answer = handler(batch, Context())
        assert answer == {"batchItemFailures": []}

    return invoke, handler.close


def _floor() -> tuple[Callable[[], object], Callable[[], None]]:
    """The bodies decoded and the same items written with plain aioboto3, without a check or a change of any."""
    import aioboto3

    from fireforget._event import split_batch
    from fireforget.processing import Intake
    from fireforget_aws import _table_layout as layout

    intake = Intake()
    items: dict[str, list[Any]] = {}
    for message in messages():
        items[message.body] = []
        for text in split_batch(message.body):
            item = layout.to_item(intake.take(text))
            assert isinstance(item, dict)
            item[layout.PARTITION] = {"S": "2026-11-30/0"}
            items[message.body].append(item)
    runner = asyncio.Runner()
    entered = aioboto3.Session().client("dynamodb")

    async def enter() -> Any:
        return await entered.__aenter__()

    async def leave() -> None:
        await entered.__aexit__(None, None, None)

    client, slots = runner.run(enter()), asyncio.Semaphore(_WRITERS)

    async def write(batch: list[Any]) -> None:
        async with slots:
            await client.batch_write_item(RequestItems={"bench": [{"PutRequest": {"Item": item}} for item in batch]})

    async def process() -> None:
        batches = []
        for body, of_body in items.items():
            assert len(json.loads(body)) == len(of_body)
            batches += [of_body[first : first + _BATCH] for first in range(0, len(of_body), _BATCH)]
        await asyncio.gather(*map(write, batches))

    def close() -> None:
        runner.run(leave())
        runner.close()

    return lambda: runner.run(process()), close


def main() -> None:
    """Measure one side."""
    side = sys.argv[1]
    invoke, close = {"ours": _ours, "floor": _floor}[side]()
    events = sum(message.count for message in messages())
    invoke()
    began = perf_counter()
    for _ in range(INVOCATIONS):
        invoke()
    seconds = (perf_counter() - began) / INVOCATIONS
    close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"seconds": seconds / events, "events": events, "bytes": peak}))


if __name__ == "__main__":
    main()
