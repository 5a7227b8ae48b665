"""From the store to the figures: one streaming pass over the period, one over the period before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio.lowlevel

from fireforget._schema import EventTypes, shared_types
from fireforget._settings import Settings
from fireforget.abc import Query
from fireforget.errors import TransientError
from fireforget.reporting.definitions import load
from fireforget.reporting.legible import label
from fireforget.reporting.prices import PriceList
from fireforget.reporting.report import Health, Report
from fireforget.reporting.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from fireforget.abc import Store
    from fireforget.reporting.figures import Figures
    from fireforget.reporting.period import Period

ATTEMPTS: Final = 5
"""How often a pass is begun before a store that keeps failing is given up."""

_EVENTS_AT_ONCE: Final = 32
"""After so many, whatever else runs in this loop gets its turn, even where the store has them all in memory."""


async def aggregate(
    store: Store,
    period: Period,
    settings: Settings | None = None,
    *,
    types: EventTypes = shared_types,
    health: Health | None = None,
    as_of: datetime | None = None,
) -> Report:
    """Read a period and the one before from the store, and say their figures.

    The same records give the same report, every time. A pass that fails for now is begun again, from its
    start.

    Args:
        store: Where the events are.
        period: Which ones; an event counts in the period of its request.
        settings: The title, the definition and the prices of models; None for the defaults, which know no price.
        types: Lifts events of older versions.
        health: The pipeline's own counts, for the report to show beside the rest.
        as_of: The present moment, aware; a period that has not ended by then is said to be unfinished.

    Raises:
        SettingsError: The definition or a price cannot be used.
        TransientError: The store kept failing.
        PermanentError: The store will never answer.
    """
    chosen = Settings() if settings is None else settings
    prices = PriceList(chosen.report.prices)
    definition = load(chosen.report.definition)

    def survey(of: Period) -> Survey:
        return Survey(definition, of, types, prices)

    return Report(
        title=label(chosen.report.title or chosen.name),
        definition=definition,
        period=period,
        figures=await _read(store, period, survey),
        before=await _read(store, period.previous(), survey),
        health=health,
        as_of=as_of,
    )


async def _read(store: Store, period: Period, begin: Callable[[Period], Survey]) -> Figures:
    from stamina import retry_context

    async for attempt in retry_context(on=TransientError, attempts=ATTEMPTS, timeout=None):
        with attempt:
            survey = begin(period)
            number = 0
            async for record in store.scan(Query(start=period.start, end=period.end)):
                survey.add(record.event)
                number += 1
                if number % _EVENTS_AT_ONCE == 0:
                    await anyio.lowlevel.checkpoint()
    return survey.figures()
