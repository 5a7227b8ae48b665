"""`fireforget journal`: what is listed, verified and replayed, and how it ends."""

from pathlib import Path

import pytest

from tests.cli import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def damage(workspace: Workspace, id_: str) -> None:
    (segment,) = (workspace.settings.journal_directory / id_).glob("*.seg")
    with segment.open("rb+") as file:
        file.seek(5000)
        file.write(b"\xff" * 40)


def test_each_journal_is_listed_with_its_owner(workspace: Workspace) -> None:
    living = workspace.journal(range(3), alive=True)
    dead = workspace.journal(range(2))
    other = workspace.journal(range(1), queue="sqs://elsewhere")

    listed = {each["id"]: each for each in workspace.values("journal", "list")}

    shown = {
        id_: (each["state"], each["ours"], each["accepted"], each["pending"], each["problem"])
        for id_, each in listed.items()
    }
    assert shown == {
        living.id: ("living", True, 3, 3, ""),
        dead.id: ("dead", True, 2, 2, ""),
        other.id: ("dead", False, 1, 1, ""),
    }
    assert all(each["bytes"] >= 8192 for each in listed.values())


def test_the_table_has_a_row_for_each(workspace: Workspace) -> None:
    dead = workspace.journal(range(2))

    head, row = workspace.run("journal", "list").stdout.splitlines()

    assert head.split("\t") == ["id", "state", "process", "age", "pending", "MiB", "queue", "problem"]
    cells = row.split("\t")
    assert (cells[0], cells[1], cells[4:]) == (dead.id, "dead", ["2", "0.0", "ours", ""])
    assert cells[3].endswith(" s")


def test_without_journals_the_list_is_empty(workspace: Workspace) -> None:
    assert workspace.values("journal", "list") == []
    assert workspace.run("journal", "verify").exit_code == 0


def test_a_journal_of_another_version_is_listed_with_the_mend(workspace: Workspace) -> None:
    journal = workspace.journal(range(2))
    manifest = workspace.settings.journal_directory / journal.id / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format":1', '"format":9'))

    (listed,) = workspace.values("journal", "list")
    verified = workspace.run("journal", "verify")
    stats = workspace.run("stats")

    assert (listed["state"], listed["pending"]) == ("unreadable", None)
    assert listed["problem"].endswith("let the version of fireforget that wrote it drain it")
    assert verified.exit_code == 1
    assert listed["problem"] in verified.stdout
    assert stats.exit_code == 0
    assert stats.stdout.splitlines()[-1] == f".fireforget/journal/{journal.id} left alone\t{listed['problem']}"


def test_a_sound_journal_is_verified(workspace: Workspace) -> None:
    journal = workspace.journal(range(5))

    result = workspace.run("journal", "verify")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split("\t") == [journal.id, "yes", "5", "5", "0", "1", ""]


def test_damage_is_found_and_is_a_failure(workspace: Workspace) -> None:
    hurt, sound = workspace.journal(range(30)), workspace.journal(range(30))
    damage(workspace, hurt.id)

    table = workspace.run("journal", "verify")
    one = workspace.run("journal", "verify", hurt.id, "--json")
    other = workspace.run("journal", "verify", sound.id)

    rows = dict(line.split("\t", 1) for line in table.stdout.splitlines()[1:])
    assert (table.exit_code, one.exit_code, other.exit_code) == (1, 1, 0)
    assert rows[hurt.id].startswith("no\t")
    assert "segment 1 from byte " in rows[hurt.id]
    assert rows[sound.id].startswith("yes\t")
    assert '"sound":false' in one.stdout
    assert '"damage":[{"segment":1,' in one.stdout


def test_a_journal_that_is_not_there_is_one_line(workspace: Workspace) -> None:
    result = workspace.run("journal", "verify", "absent")

    assert result.exit_code == 1
    assert result.stderr == (
        "fireforget: there is no journal 'absent': 'fireforget journal list' shows which there are\n"
    )


def test_replay_says_what_it_did_and_what_it_left(workspace: Workspace) -> None:
    workspace.journal(range(5))
    other = workspace.journal(range(1), queue="sqs://elsewhere")

    result = workspace.run("journal", "replay")

    assert (result.exit_code, result.stdout) == (0, "5 events of 1 journal sent\n")
    assert result.stderr == (
        f"fireforget: {other.id} is left alone: its events were meant for another queue: "
        "--other-queues takes them, too\n"
    )
    assert workspace.values("journal", "replay", "--other-queues") == [
        {"journals": 1, "delivered": 1, "dead_lettered": 0, "pending": 0, "reason": "", "left": {}}
    ]
    assert workspace.depth().visible


def test_no_command_shows_the_help(workspace: Workspace) -> None:
    assert workspace.run("journal").exit_code == 2
