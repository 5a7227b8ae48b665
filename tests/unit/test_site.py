"""The counts of a site: of all its processes, also of those that have ended."""

from pathlib import Path

import pytest

from fireforget import Counts, FireForget, Settings, site_counts
from fireforget.errors import JournalError
from tests.cli import Workspace
from tests.journals import assert_law


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def test_the_living_the_dead_and_the_finished_count(workspace: Workspace) -> None:
    with FireForget(workspace.settings) as application:
        for number in range(3):
            assert application.emit("query", {"n": number})
    workspace.journal(range(4))
    workspace.journal(range(5), alive=True)

    assert_law(site_counts(workspace.settings), accepted=12, delivered=3, pending=9)


def test_the_configuration_is_read_where_none_is_given(workspace: Workspace) -> None:
    workspace.configure('directory = "elsewhere"')
    workspace.journal(range(2))

    assert site_counts().pending == 2


def test_a_site_without_journals_has_nothing(tmp_path: Path) -> None:
    assert site_counts(Settings(directory=str(tmp_path / "absent"))) == Counts()


def test_a_journal_that_cannot_be_read_is_said(workspace: Workspace) -> None:
    journal = workspace.journal(range(1))
    (workspace.settings.journal_directory / journal.id / "manifest.json").write_text("{")

    with pytest.raises(JournalError, match="the manifest in .* is damaged"):
        site_counts(workspace.settings)
