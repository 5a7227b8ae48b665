"""Litestar: stations send the temperatures that they measure; nobody waits for the warning of frost.

uvicorn litestar_app:app
"""

from collections import defaultdict
from typing import Annotated

import msgspec
from litestar import Litestar, get, post

from fireforget import FireForget, current_context, event_type


@event_type("reading", version=1)
class Reading(msgspec.Struct):
    """One measurement."""

    celsius: Annotated[float, msgspec.Meta(ge=-90, le=60)]


ff = FireForget()
readings: defaultdict[str, list[float]] = defaultdict(list)


async def warn(station: str) -> None:
    """Tell of frost, if this station has measured it twice in a row."""
    if all(celsius < 0 for celsius in readings[station][-2:]):
        ff.emit("frost", {"station": station, "celsius": readings[station][-1]})


@post("/stations/{station:str}/readings")
async def measure(station: str, data: Reading) -> None:
    """Take a measurement. The body is an event class already, and checked by it."""
    readings[station].append(data.celsius)
    ff.emit(data, attributes={"subject": station})
    current_context().wait_until(warn(station))


@get("/stations/{station:str}")
async def latest(station: str) -> float | None:
    """The latest measurement of a station."""
    return readings[station][-1] if readings[station] else None


app = ff.wrap(Litestar([measure, latest]))
