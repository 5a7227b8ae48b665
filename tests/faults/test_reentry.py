"""`emit` from a signal handler or a finalizer, at every line of the very first `emit`, which starts everything."""

import importlib.metadata
import itertools
import sys
from functools import cache
from types import FrameType

import pytest

from fireforget import DispatchSettings, FireForget, JournalSettings, ProcessingSettings, Settings
from fireforget.local.memory import MemoryStore


class Reentry:
    """A trace function: emits once more before the n-th line of the library."""

    def __init__(self, ff: FireForget, at: int) -> None:
        self.ff = ff
        self.at = at
        self.seen = 0
        self.ids: list[object] = []

    def __call__(self, frame: FrameType, event: str, argument: object) -> "Reentry | None":
        if "fireforget" not in frame.f_code.co_filename:
            return None
        if event == "line":
            self.seen += 1
            if self.seen == self.at:
                self.ids.append(self.ff.emit("nested", {"at": self.at}))
        return self


def reentered(ff: FireForget, at: int) -> list[object]:
    """The ids of the first event, of the one in the middle of it, if the first was that long, and of one after both."""
    reentry = Reentry(ff, at)
    before = sys.gettrace()
    sys.settrace(reentry)
    try:
        first = ff.emit("query", {})
    finally:
        sys.settrace(before)
    return [*reentry.ids, first, ff.emit("query", {})]


def test_a_first_emit_may_be_reentered_at_every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", cache(importlib.metadata.entry_points))
    for at in itertools.count(1):
        settings = Settings(
            queue=f"memory://reentry-{at}",
            journal=JournalSettings(durability="none"),
            dispatch=DispatchSettings(linger_seconds=0),
            processing=ProcessingSettings(embedded=False),
        )
        ff = FireForget(settings, store=MemoryStore("reentry"))

        ids = reentered(ff, at)
        ff.close()

        counts = ff.stats()
        assert None not in ids, f"re-entered before line {at}"
        assert len(set(map(str, ids))) == counts.accepted == counts.delivered, f"re-entered before line {at}"
        if len(ids) == 2:
            break
    assert at > 200
