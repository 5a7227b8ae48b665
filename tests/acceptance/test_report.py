"""The scheduled report with real processes: many workers, one mail."""

import signal
import subprocess
import sysconfig
from contextlib import ExitStack
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest

from tests.cli import Workspace
from tests.waiting import wait_for

SCRIPT = str(Path(sysconfig.get_path("scripts"), "fireforget"))
REPORT = '[report]\nschedule = "{schedule}"\nrecipients = ["ada@example.org"]\nsender = "ff@example.org"\n'


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path, REPORT.format(schedule="daily 00:00"))


def test_of_several_worker_processes_one_sends_the_report(workspace: Workspace) -> None:
    mails = workspace.path / ".fireforget" / "mail"
    with ExitStack() as running:
        workers = [
            running.enter_context(
                subprocess.Popen([SCRIPT, "worker"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            )
            for _ in range(3)
        ]
        begun = [worker.stdout.readline() for worker in workers if worker.stdout is not None]
        wait_for(lambda: list(mails.glob("*.eml")))
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        said = [worker.communicate()[1] for worker in workers]

    assert [line.startswith("worker began") for line in begun] == [True] * 3
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert sum("went to 1 recipient" in err for err in said) == 1
    (file,) = mails.glob("*.eml")
    mail = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(file.read_bytes())
    assert mail["Subject"].startswith("shop: ")
    assert mail["Subject"].endswith(", no data")
    assert mail["To"] == "ada@example.org"


def test_a_worker_says_at_once_that_the_schedule_cannot_be_kept(workspace: Workspace) -> None:
    workspace.configure(REPORT.format(schedule="mondays"))

    result = workspace.run("worker")

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith("fireforget: schedule of [report] is 'mondays', which is none")
