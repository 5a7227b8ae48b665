"""From the settings to a processor and a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from fireforget._backends import Roles
from fireforget._clock import SystemClock
from fireforget._configuration import settings_from
from fireforget._hooks import Hooks
from fireforget._schema import EventTypes
from fireforget.errors import SettingsError
from fireforget.local.memory import MemoryDeadLetters, MemoryQueue, MemoryStore
from fireforget.processing import make_processor, make_worker
from tests.pipeline import delivery, event, message, unused_name, uuid

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio


async def test_the_plugins_enrichers_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the processor that every host makes."""
    (tmp_path / "my_plugin.py").write_text(
        "import msgspec\n"
        "async def mark(event):\n"
        "    return msgspec.structs.replace(event, data={**event.data, 'marked': True})\n"
        "enrichers = [mark]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    name = unused_name()
    store = MemoryStore(name)
    settings = settings_from({"plugin": "my_plugin"})
    processor = make_processor(store, MemoryDeadLetters(name), settings, EventTypes(), Hooks(), SystemClock())
    assert [verdict.status for verdict in await processor.process([delivery(message(event(1)))])] == ["ack"]
    [(text, _)] = store._shelf.events.values()
    assert '"marked":true' in text


async def test_a_plugin_that_cannot_be_imported_is_named() -> None:
    """With what its import raised."""
    name = unused_name()
    settings = settings_from({"plugin": "no.such.module"})
    with pytest.raises(SettingsError, match=r"plugin = 'no\.such\.module' cannot be imported: ModuleNotFoundError"):
        make_processor(MemoryStore(name), MemoryDeadLetters(name), settings, EventTypes(), Hooks(), SystemClock())


async def test_the_settings_reach_processor_and_worker() -> None:
    """``max_attempts`` here, for one."""
    name = unused_name()
    queue, letters, store = MemoryQueue(name), MemoryDeadLetters(name), MemoryStore(name)
    settings = settings_from({"processing": {"max_attempts": 1, "unknown_types": "refuse"}})
    worker = make_worker(Roles(queue, letters, store), settings, EventTypes(), Hooks(), SystemClock())
    await queue.publish([message(event(1))])
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        await anyio.lowlevel.checkpoint()
        assert await worker.drain(10)
        await worker.stop()
    assert list(letters._messages.dead) == [uuid(1)]
