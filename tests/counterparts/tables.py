"""Tables of DynamoDB for the tests, as `fireforget provision` makes them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from fireforget.abc import SystemClock
from fireforget.testing import ManualClock
from fireforget_aws import _table
from fireforget_aws.access import Access

if TYPE_CHECKING:
    from tests.counterparts.aws import Counterpart

_numbers: Final = itertools.count()


async def new_table(server: Counterpart, *, sessions_index: bool = False) -> str:
    """The name of a table that nobody else uses."""
    name = f"table-{next(_numbers)}"
    async with Access(endpoint=server.url).client("dynamodb") as client:
        await _table.make(name, SystemClock(), client, sessions_index=sessions_index)
        await _table.let_expire(name, SystemClock(), client)
    return name


def later() -> ManualClock:
    """A clock ahead of the servers' own: what lives for it is not yet deleted by them."""
    return ManualClock(datetime.now(UTC).replace(microsecond=0) + timedelta(days=1))
