"""The events that are emitted, and the surroundings they are emitted in."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fireforget import FireForget, Settings
from fireforget._engine import shared_engine
from fireforget._schema import EventTypes
from fireforget._settings import JournalSettings, ProcessingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping
    from pathlib import Path

    from fireforget.abc import Clock, Queue

types: Final = EventTypes()
MEBIBYTE: Final = 1024 * 1024


@types.event_type("query")
class Query(msgspec.Struct):
    """An event of eight fields, as a chatbot emits for each question."""

    query: str
    language: str
    page: str
    model: str
    match_score: int
    processing_ms: float
    tokens: int
    cached: bool


EVENT: Final = Query(
    query="Have you worked with Kubernetes?",
    language="en",
    page="/cv/skills",
    model="small-2",
    match_score=92,
    processing_ms=11.8,
    tokens=412,
    cached=False,
)

HEADERS: Final = [
    (b"host", b"example.org"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"connection", b"keep-alive"),
    (b"cookie", b"theme=dark; consent=yes"),
]
"""What a browser sends."""


def scope() -> dict[str, Any]:
    """The ASGI scope of one request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": HEADERS,
        "client": ("203.0.113.7", 52100),
        "server": ("example.org", 443),
    }


async def receive() -> dict[str, Any]:
    """An empty body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: MutableMapping[str, Any]) -> None:
    """Take what the application sends, and drop it."""


def settings(directory: Path, *, max_bytes: int = 256 * MEBIBYTE, embedded: bool = False) -> Settings:
    """The defaults, apart from where files live and how large the journal may become."""
    return Settings(
        name="bench",
        directory=str(directory),
        journal=JournalSettings(max_bytes=max_bytes),
        processing=ProcessingSettings(embedded=embedded),
    )


def new_fireforget(chosen: Settings, queue: Queue, clock: Clock | None = None) -> FireForget:
    """One that knows the event types above."""
    return FireForget(chosen, queue=queue, types=types, clock=clock)


@contextmanager
def held_engine() -> Iterator[None]:
    """Hold the background thread, which then takes neither the processor nor the interpreter's lock."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        release.wait()

    shared_engine.call(hold)
    held.wait()
    try:
        yield
    finally:
        release.set()
