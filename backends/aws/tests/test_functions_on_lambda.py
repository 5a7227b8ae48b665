"""From `emit` to the table and the mailbox, with everything between on a cloud that a server stands in for."""

from __future__ import annotations

import itertools
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from backends.aws.tests.functions import deploy, feed, invoke
from fireforget import FireForget
from fireforget._backends import Adapters
from fireforget._configuration import settings_from
from fireforget._schema import EventTypes
from fireforget.abc import Provisioner, Query
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from fireforget._settings import Settings
    from tests.counterparts.aws import Counterpart

pytestmark = pytest.mark.asyncio

_numbers = itertools.count()

PLUGIN = """
import msgspec
from fireforget import event_type

@event_type("order")
class Order(msgspec.Struct):
    total: int

async def mark(event):
    return msgspec.structs.replace(event, data={**event.data, "marked": True})

enrichers = [mark]
"""


@pytest.fixture
def shop(ministack: Counterpart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The configuration that the application and its functions share."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack.url)
    return settings_from({"backend": "aws", "name": f"shop-{next(_numbers)}", "directory": str(tmp_path)})


async def provide(settings: Settings) -> Adapters:
    """Make what `fireforget provision` makes."""
    adapters = Adapters(settings)
    for backend, urls in adapters.backends():
        assert isinstance(backend, Provisioner)
        for step in await backend.plan(urls):
            await step.apply()
    return adapters


async def stored(adapters: Adapters) -> list[dict[str, Any]]:
    async with aclosing(adapters.store()) as store:
        return [record.event.data async for record in store.scan(Query())]


async def test_events_come_to_the_table_and_the_poison_one_alone_to_the_dead_letters(
    ministack: Counterpart, shop: Settings
) -> None:
    adapters = await provide(shop)
    variables = {"FIREFORGET_BACKEND": "aws", "FIREFORGET_NAME": shop.name, "FIREFORGET_PLUGIN": "shop_plugin"}
    handler = "fireforget_aws.handlers.processor.handler"
    await deploy(ministack, shop.name, handler, variables, {"shop_plugin.py": PLUGIN})
    await feed(ministack, f"{shop.name}.fifo", shop.name)

    async with FireForget(shop, types=EventTypes()) as application:
        with application.context(sessionid="one session, one lane"):
            for total in (1, 2, "three", 4, 5):
                application.emit("order", {"total": total})
    async with aclosing(adapters.queue()) as queue:
        await eventually_empty(queue)

    assert sorted(data["total"] for data in await stored(adapters)) == [1, 2, 4, 5]
    assert all(data["marked"] for data in await stored(adapters))
    async with aclosing(adapters.dead_letters()) as letters:
        (letter,) = [letter async for letter in letters.list()]
    assert '"three"' in letter.message.body
    assert "total" in letter.reason
