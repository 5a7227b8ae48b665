"""Dead letters of both places, sent again in stretches that tell how far they are."""

import asyncio
from pathlib import Path

import pytest

from fireforget.operations.letters import Redriven, dead_letters_of
from tests.cli import Workspace
from tests.pipeline import event, message


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def test_a_redrive_tells_how_far_it_is(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fireforget.operations.letters._BATCH", 2)
    for number in range(5):
        workspace.bury(message(event(number), id_=f"buried-{number}"), "too odd")
    for number in range(5, 7):
        workspace.refused.append(message(event(number), id_=f"refused-{number}"), "too odd")
    told: list[tuple[int, int | None]] = []

    async def redrive() -> Redriven:
        async with dead_letters_of(workspace.settings) as letters:
            return await letters.redrive([], lambda done, total: told.append((done, total)))

    assert asyncio.run(redrive()) == Redriven(7)
    assert told == [(2, 7), (4, 7), (5, 7), (6, 7), (7, 7)]
    assert workspace.depth().visible == 7
    assert workspace.buried() == []
    assert list(workspace.refused.read()) == []
