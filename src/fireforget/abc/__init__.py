"""The ports: what a queue, its dead letters, a store, a mailer and a backend promise.

What a queue, its dead letters, a store and a mailer promise in these docstrings is held by tests of
`fireforget.testing`, as far as it shows from outside. Adapters are used from one asyncio event loop (the engine's or
the worker's), do no I/O in their constructors, retry nothing themselves, and raise only
`fireforget.errors.AdapterError` and its children: `TransientError` where the same call may succeed later,
`PermanentError` where it never will; what the service raised is the ``__cause__``. Calls may be made at the same time,
and any of them may be cancelled at any of its awaits: nothing is lost by that, and the same call can be made again.
`aclose` is idempotent, also where nothing was ever called; any other call after it raises `ClosedError`.
"""

from __future__ import annotations

from fireforget._clock import Clock, SystemClock
from fireforget._event import Event, decode_event, encode_event, is_uuid7, uuid7_time
from fireforget.abc.backend import Backend, Checkable, Finding, Preparable, Provisioner, Role, Step, UrlChecker
from fireforget.abc.dead_letters import DeadLetter, DeadLetters
from fireforget.abc.mailer import Mailer
from fireforget.abc.messages import Delivery, Depth, Message, Outcome
from fireforget.abc.queue import Capabilities, Queue
from fireforget.abc.store import Query, Record, Refusal, Store

__all__ = [
    "Backend",
    "Capabilities",
    "Checkable",
    "Clock",
    "DeadLetter",
    "DeadLetters",
    "Delivery",
    "Depth",
    "Event",
    "Finding",
    "Mailer",
    "Message",
    "Outcome",
    "Preparable",
    "Provisioner",
    "Query",
    "Queue",
    "Record",
    "Refusal",
    "Role",
    "Step",
    "Store",
    "SystemClock",
    "UrlChecker",
    "decode_event",
    "encode_event",
    "is_uuid7",
    "uuid7_time",
]
