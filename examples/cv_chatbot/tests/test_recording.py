from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from examples.cv_chatbot.recording import Awaiting, Forgetting, new_visit
from examples.cv_chatbot.serve import build, local_queue, parse, settings_for
from fireforget import Event, FireForget
from fireforget.abc import Query, decode_event
from fireforget.local import backend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fireforget import Settings

pytestmark = pytest.mark.asyncio


async def stored(settings: Settings) -> list[Event]:
    url = backend.url("store", name=settings.name, directory=settings.directory)
    async with aclosing(backend.store(url)) as store:
        return [record.event async for record in store.scan(Query())]


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Start the app and stop it, as a server does."""
    asked: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    answered: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan"}, asked.get, answered.put))
    for step in ("startup", "shutdown"):
        await asked.put({"type": f"lifespan.{step}"})
        assert (await answered.get())["type"] == f"lifespan.{step}.complete"
        if step == "startup":
            yield
    await running


async def test_awaiting_puts_a_cloud_event_into_the_queue(tmp_path: Path) -> None:
    async with aclosing(local_queue(settings_for(tmp_path, {}))) as queue:
        visit = new_visit("visitor-1")
        event_id = await Awaiting(queue, source="cv-chatbot").record("query", {"query": "Any Rust?"}, visit)
        (delivery,) = await queue.receive(10, wait=1, lease=30)
        (event,) = [decode_event(json.dumps(event)) for event in json.loads(delivery.message.body)]
        assert (event.id, event.type, event.source) == (event_id, "query", "cv-chatbot")
        assert (event.sessionid, event.correlationid) == ("visitor-1", visit.request)
        assert event.data == {"query": "Any Rust?"}


async def test_awaiting_waits_for_work(tmp_path: Path) -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append("work")

    async with aclosing(local_queue(settings_for(tmp_path, {}))) as queue:
        await Awaiting(queue, source="x").afterwards(work())
    assert done == ["work"]


async def test_forgetting_emits_within_the_visitors_session(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, {})
    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append("work")

    async with FireForget(settings) as ff:
        recorder = Forgetting(ff)
        with ff.context():
            ids = [await recorder.record(kind, {}, new_visit("visitor-1")) for kind in ("query", "response")]
            await recorder.afterwards(work())
        assert await ff.drain() == 0
    assert done == ["work"]
    events = await stored(settings)
    assert {event.id for event in events} == set(ids)
    assert {event.sessionid for event in events} == {"visitor-1"}
    assert len({event.correlationid for event in events}) == 1


@pytest.mark.parametrize("mode", ["fireforget", "awaited"])
async def test_the_whole_app_answers_and_records(tmp_path: Path, mode: str) -> None:
    app = build(parse(["--mode", mode, "--directory", str(tmp_path)]))
    transport = httpx.ASGITransport(app)
    async with lifespan(app), httpx.AsyncClient(transport=transport, base_url="http://chatbot") as client:
        answer = (await client.post("/ask", json={"question": "Kafka?", "session": "visitor-1"})).json()
        page = await client.get("/", params={"q": "Does she know COBOL?"})
        stats = await client.get("/stats")
    assert answer["matched_skills"][0] == "Apache Kafka"
    assert len(answer["events"]) == 2
    assert "says nothing about that" in page.text
    assert stats.status_code == (200 if mode == "fireforget" else 404)
    settings = settings_for(tmp_path, {})
    async with FireForget(settings) as ff:
        assert await ff.drain() == 0
    events = await stored(settings)
    assert set(answer["events"]) <= {event.id for event in events}
    assert sorted(event.type for event in events) == ["query", "query", "response", "response"]
    assert (tmp_path / "unanswered.txt").read_text(encoding="utf-8") == "Does she know COBOL?\n"
