"""The store keeps every promise, on both servers, with and without the index of sessions, in one shard and in four."""

import pytest

from fireforget.testing import Place, StoreConformance
from fireforget_aws.access import Access
from fireforget_aws.store import DynamoDBStore
from tests.counterparts.aws import NOWHERE, Counterpart
from tests.counterparts.tables import later, new_table


async def on(server: Counterpart, *, shards: int, sessions_index: bool) -> Place:
    table = await new_table(server, sessions_index=sessions_index)
    clock = later()

    def at(url: str) -> DynamoDBStore:
        return DynamoDBStore(table, Access(endpoint=url), shards=shards, sessions_index=sessions_index, clock=clock)

    return Place(store=lambda: at(server.url), clock=clock, unreachable=Place(store=lambda: at(NOWHERE)))


class TestOneShardOnMinistack(StoreConformance):
    examples = 6

    @pytest.fixture
    async def place(self, ministack: Counterpart) -> Place:
        return await on(ministack, shards=1, sessions_index=False)


class TestFourShardsAndIndexOnMinistack(StoreConformance):
    examples = 6

    @pytest.fixture
    async def place(self, ministack: Counterpart) -> Place:
        return await on(ministack, shards=4, sessions_index=True)


class TestOneShardAndIndexOnMoto(StoreConformance):
    examples = 2

    @pytest.fixture
    async def place(self, moto: Counterpart) -> Place:
        return await on(moto, shards=1, sessions_index=True)


class TestFourShardsOnMoto(StoreConformance):
    examples = 2

    @pytest.fixture
    async def place(self, moto: Counterpart) -> Place:
        return await on(moto, shards=4, sessions_index=False)
