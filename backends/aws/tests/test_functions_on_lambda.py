"""From `emit` to the table and the mailbox, with everything between on a cloud that a server stands in for."""

from __future__ import annotations

import itertools
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from fireforget import FireForget
from fireforget._backends import Adapters
from fireforget._configuration import settings_from
from fireforget._schema import EventTypes
from fireforget.abc import Provisioner, Query
from fireforget_aws.access import Access
from tests.counterparts.functions import deploy, feed, invoke, schedule
from tests.waiting import PATIENCE

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


FAILING = """
import msgspec
from fireforget import TransientError

tried = 0

async def fail_once(event):
    global tried
    tried += 1
    if tried < 2:
        raise TransientError("the model is loading")
    return msgspec.structs.replace(event, data={**event.data, "tried": tried})

enrichers = [fail_once]
"""


@pytest.fixture(params=[".fifo"])
def shop(
    request: pytest.FixtureRequest, ministack: Counterpart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """The configuration that the application and its functions share; the queue is of the kind that a test asks for."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack.url)
    name = f"shop-{next(_numbers)}"
    return settings_from(
        {"backend": "aws", "name": name, "queue": f"sqs://{name}{request.param}", "directory": str(tmp_path)}
    )


def variables_of(settings: Settings) -> dict[str, str]:
    """What every function of the shop is told."""
    return {"FIREFORGET_BACKEND": "aws", "FIREFORGET_NAME": settings.name, "FIREFORGET_QUEUE": settings.queue}


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


async def emptied(adapters: Adapters) -> None:
    """Wait until the queue holds nothing."""
    async with aclosing(adapters.queue()) as queue:
        with anyio.fail_after(PATIENCE):
            while True:
                depth = await queue.depth()
                if not (depth.visible or depth.in_flight):
                    return
                await anyio.sleep(0.05)


@pytest.mark.parametrize("shop", [".fifo", ""], indirect=True, ids=["FIFO", "standard"])
async def test_events_come_to_the_table_and_the_poison_one_alone_to_the_dead_letters(
    ministack: Counterpart, shop: Settings
) -> None:
    adapters = await provide(shop)
    variables = variables_of(shop) | {"FIREFORGET_PLUGIN": "shop_plugin"}
    handler = "fireforget_aws.handlers.processor.handler"
    await deploy(ministack, shop.name, handler, variables, {"shop_plugin.py": PLUGIN})
    await feed(ministack, shop.queue.removeprefix("sqs://"), shop.name)

    async with FireForget(shop, types=EventTypes()) as application:
        with application.context(sessionid="one session, one lane"):
            for total in (1, 2, "three", 4, 5):
                application.emit("order", {"total": total})
    await emptied(adapters)

    assert sorted(data["total"] for data in await stored(adapters)) == [1, 2, 4, 5]
    assert all(data["marked"] for data in await stored(adapters))
    async with aclosing(adapters.dead_letters()) as letters:
        (letter,) = [letter async for letter in letters.list()]
    assert '"three"' in letter.message.body
    assert "total" in letter.reason


async def test_what_goes_back_comes_again_soon_and_in_order(ministack: Counterpart, shop: Settings) -> None:
    """Not when the visibility timeout of the queue ends, which is minutes."""
    adapters = await provide(shop)
    variables = variables_of(shop) | {"FIREFORGET_PLUGIN": "shop_plugin"}
    await deploy(
        ministack, shop.name, "fireforget_aws.handlers.processor.handler", variables, {"shop_plugin.py": FAILING}
    )
    await feed(ministack, shop.queue.removeprefix("sqs://"), shop.name)

    async with FireForget(shop, types=EventTypes()) as application:
        with application.context(sessionid="one session, one lane"):
            application.emit("order", {"total": 1})
    await emptied(adapters)

    assert await stored(adapters) == [{"total": 1, "tried": 2}]


async def test_the_report_of_an_empty_week_comes_by_mail_and_once(ministack: Counterpart, shop: Settings) -> None:
    """The server does not show what a raw message says; what the report says is tested elsewhere."""
    await provide(shop)
    reader = f"{shop.name}@example.org"
    variables = variables_of(shop) | {
        "FIREFORGET_REPORT_RECIPIENTS": reader,
        "FIREFORGET_REPORT_SENDER": "ff@example.org",
    }
    async with Access(endpoint=ministack.url).client("sesv2") as client:
        await client.create_email_identity(EmailIdentity="ff@example.org")
    arn = await deploy(ministack, shop.name, "fireforget_aws.handlers.reporter.handler", variables, {})
    await schedule(ministack, shop.name, arn)

    with anyio.fail_after(PATIENCE):  # the server looks for what is due every ten seconds
        while not await mails(ministack, reader):  # noqa: ASYNC110 - what it waits for belongs to another process
            await anyio.sleep(0.1)
    answer = await invoke(ministack, shop.name, {})

    assert (answer["sent"], "sent already" in answer["why"]) == (False, True)
    assert await mails(ministack, reader) == 1


async def mails(server: Counterpart, reader: str) -> int:
    """How many somebody got."""
    async with httpx.AsyncClient() as client:
        accounts = (await client.get(f"{server.url}/_ministack/ses/messages")).json()["messages"]
    return sum(reader in mail["To"] for account in accounts.values() for mail in account)
