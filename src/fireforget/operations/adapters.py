"""What a doctor asks of the adapters: what they tell themselves, else whether they answer; and what is in the queue."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget._backends import Adapters
from fireforget._secrets import without_secrets
from fireforget.abc import Checkable, Finding, Provisioner, Query
from fireforget.errors import FireForgetError, SettingsError, TransientError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from fireforget._clock import Clock
    from fireforget._settings import Settings
    from fireforget.abc import Backend, Mailer, Queue, Role, Store

_ANSWER: Final = "answer"
_MISSING: Final = "provision"
_UNREACHABLE: Final = "see whether it is up and can be reached from here"

_PATIENCE_SECONDS: Final = 10.0
"""Who asks a doctor waits for the answer; an SDK may wait much longer."""

_STALE_SECONDS: Final = 600.0
"""A message that has waited for so long says that nobody takes it."""


async def adapters(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    """Are queue, store and mailer there, and what do they tell?"""
    made = Adapters(settings)
    looks: dict[Role, Callable[[bool], Awaitable[list[Finding]]]] = {
        "queue": lambda ready: _look_at_queue(made.queue(), ready=ready),
        "store": lambda _: _look_at_store(made.store(), clock),
        "mailer": lambda _: _look_at_mailer(made.mailer()),
    }
    told: dict[Finding, list[Role]] = {}
    for backend, urls in made.backends():
        for role, url in urls.items():
            missing = await _guarded(partial(_look_for_missing, backend, {role: url}))
            away = any(finding.mend == _UNREACHABLE for finding in missing)
            seen = [] if away else await _guarded(partial(looks[role], not missing))
            # On this machine it is made with its first use.
            for finding in seen if backend.embeddable else _once(missing, seen):
                told.setdefault(finding, []).append(role)
    for finding, roles in told.items():  # a queue and a store in one place say the same
        yield _of(roles, finding)


def _once(missing: list[Finding], seen: list[Finding]) -> list[Finding]:
    """What one role lacks and what it tells, without what is clear from the other: nobody reads one fault twice."""
    if any(finding.name == _MISSING for finding in missing):
        return missing + [each for each in seen if each.name != _ANSWER and each.mend != missing[0].mend]
    return seen if any(finding.status == "wrong" for finding in seen) else missing + seen


def _of(roles: list[Role], finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, name=f"{' and '.join(roles)}: {finding.name}")


async def _guarded(look: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    """What a look shows; that it fails is a finding, too, and so is that it takes too long."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):  # and no scope of anyio, in which no adapter could be closed
            return await look()
    except TimeoutError:
        return [Finding(_ANSWER, "wrong", f"no answer within {_PATIENCE_SECONDS:g} s", _UNREACHABLE)]
    except TransientError as error:
        return [Finding(_ANSWER, "wrong", without_secrets(str(error)), _UNREACHABLE)]
    except SettingsError as error:
        return [Finding(_ANSWER, "wrong", without_secrets(str(error)), "mend its URL, or install what it needs")]
    except FireForgetError as error:
        mend = "see whether its URL, its credentials and what they permit are right"
        return [Finding(_ANSWER, "wrong", without_secrets(str(error)), mend)]
    except Exception as error:  # noqa: BLE001 - an adapter's mistake is a finding, and the others are still looked at
        text = without_secrets(f"the adapter failed by a mistake: {type(error).__name__}: {error}")
        return [Finding(_ANSWER, "wrong", text, "tell its author")]


async def _look_for_missing(backend: Backend, urls: Mapping[Role, str]) -> list[Finding]:
    steps = await backend.plan(urls) if isinstance(backend, Provisioner) else ()
    if not steps:
        return []
    text = f"to be done before the first use: {'; '.join(step.action for step in steps)}"
    return [Finding(_MISSING, "wrong", text, "run 'fireforget provision'")]


async def _look_at_queue(queue: Queue, *, ready: bool) -> list[Finding]:
    async with aclosing(queue):
        told = await _told(queue)
        if told and (not ready or any(finding.status == "wrong" for finding in told)):
            return told  # to ask for more would make what is missing, or fail for the same reason
        depth = await queue.depth()
    told = told or [Finding(_ANSWER, "ok", f"{without_secrets(queue.identity)} answers")]
    is_stale = (depth.oldest_seconds or 0) > _STALE_SECONDS
    if depth.visible and is_stale:
        text = f"{depth.visible} messages wait, the oldest for {depth.oldest_seconds:.0f} s: nobody takes them"
        told.append(Finding("worker", "warning", text, "start a worker: 'fireforget worker', or the cloud's function"))
    elif depth.in_flight and is_stale:
        text = f"{depth.in_flight} messages are in flight, the oldest for {depth.oldest_seconds:.0f} s"
        mend = "see what its worker logs; a worker that hangs, end: what it holds comes again after its lease"
        told.append(Finding("worker", "warning", text, mend))
    if depth.dead:
        mend = "see why with 'fireforget dead-letters list'; then redrive or discard them"
        told.append(Finding("dead letters", "warning", f"{depth.dead} messages could not be processed", mend))
    return told


async def _look_at_store(store: Store, clock: Clock) -> list[Finding]:
    async with aclosing(store):
        told = await _told(store)
        if told:
            return told
        now = datetime.fromtimestamp(clock.time_ns() / 1e9, UTC)
        async for _ in store.scan(Query(start=now)):
            break
    return [Finding(_ANSWER, "ok", "it answers")]


async def _look_at_mailer(mailer: Mailer) -> list[Finding]:
    async with aclosing(mailer):
        told = await _told(mailer)
    return told or [Finding(_ANSWER, "ok", "not looked at: its adapter can only send")]


async def _told(adapter: Queue | Store | Mailer) -> list[Finding]:
    return list(await adapter.check()) if isinstance(adapter, Checkable) else []
