from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import httpx
import pytest

from examples.cv_chatbot import demo, serve
from examples.cv_chatbot.clients import ROOT
from examples.cv_chatbot.demo import popular
from examples.cv_chatbot.settling import Settled, settle
from examples.cv_chatbot.tables import plain

DATA = Path(__file__).parent / "data"
CHEF = ["--skills", str(DATA / "chef_skills.json"), "--questions", str(DATA / "chef_questions.json")]


def test_it_loses_nothing_and_waits_for_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert demo.main([*CHEF, "--clients", "4", "--directory", str(tmp_path)]) == 0
    said = capfd.readouterr().out
    assert "Bruno Castellani: 12 skills, 31 questions, 4 clients" in said
    for name in NAMES:
        assert re.search(rf"^Asking \d+ questions, {name} \.\.\.$", said, re.MULTILINE)
    slow, fast = (float(re.search(rf"{name} +\d+ +([\d.]+) ms", said)[1]) for name in NAMES)  # type: ignore[index]
    assert slow > 200 > 2 * fast
    answers = len(popular([""] * 31))
    for name in NAMES:
        assert re.search(rf"{name} +{2 * answers} +{2 * answers} +{2 * answers} +0 +0", said)
    assert re.search(rf"^ *{2 * answers} +{2 * answers} +0 +0 +0 +0", said, re.MULTILINE)
    assert "of 30 labelled questions were answered or refused as expected" in said
    assert f"{answers} queries in 4 sessions" in said
    page = Path(re.search(r"The same report as HTML: (.+)", said)[1])  # type: ignore[index]
    assert page.is_relative_to(tmp_path)
    assert "<html" in page.read_text(encoding="utf-8")


NAMES = ("awaiting the queue", "with fireforget")


def test_an_event_that_is_lost_is_not_passed_over(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def settle_all_but_one(directory: Path) -> Settled:
        settled = await settle(directory)
        stored = settled.stored if directory.name == "awaited" else settled.stored[1:]
        return Settled(stored=stored, counts=settled.counts)

    monkeypatch.setattr(demo, "settle", settle_all_but_one)
    assert demo.main([*CHEF, "--directory", str(tmp_path)]) == 1
    said = capfd.readouterr()
    assert re.search(r"with fireforget +82 +82 +81 +1 +0", said.out)
    assert "Not every event was accepted and is in the store" in said.err


def test_what_a_killed_server_had_accepted_is_settled(tmp_path: Path) -> None:
    options = [*CHEF, "--directory", str(tmp_path), "--queue-latency", "60000"]
    command = [sys.executable, "-m", "examples.cv_chatbot.serve", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        try:
            assert process.stdout is not None
            url = process.stdout.readline().removeprefix("listening on ").strip()
            answers = [httpx.get(f"{url}/ask", params={"q": q}, trust_env=False).json() for q in ("a", "b", "c")]
        finally:
            process.kill()
    accepted = {event_id for answer in answers for event_id in answer["events"]}
    settled = anyio.run(settle, tmp_path)
    assert len(accepted) == 6
    assert set(settled.stored) == accepted
    assert settled.counts.accepted == settled.counts.delivered == 6


def test_a_wrong_file_ends_it_with_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "skills.json"
    file.write_text('{"skills": []}', encoding="utf-8")
    for main in (demo.main, serve.main):
        assert main(["--skills", str(file), "--directory", str(tmp_path / "out")]) == 2
        said = capfd.readouterr()
        assert said.err.startswith(f"{file}: ")
        assert said.err.count("\n") == 1


@pytest.mark.parametrize("directory", ["/proc/x", "/proc"])
def test_a_directory_that_cannot_be_used_ends_it_with_one_line(
    directory: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(["--directory", directory]) == 2
    assert re.fullmatch(rf"{directory}: .+; name another --directory\n", capfd.readouterr().err)


def test_ctrl_c_stops_it_without_a_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep_forever()

    monkeypatch.setattr(demo, "measure", interrupted)
    assert demo.main([*CHEF, "--directory", str(tmp_path)]) == 130
    assert capfd.readouterr().err == "stopped\n"


@pytest.mark.parametrize(
    ("main", "options", "says"),
    [
        (demo.main, ["--clients", "0"], "'0' is not a number of clients from 1 to 256"),
        (demo.main, ["--clients", "many"], "'many' is not a number of clients"),
        (serve.main, ["--port", "70000"], "'70000' is not a port from 1 to 65535"),
        (serve.main, ["--queue-latency", "-1"], "'-1' is not milliseconds"),
    ],
)
def test_wrong_options_are_explained(
    main: object, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    with pytest.raises(SystemExit, match="2"):
        main(options)
    assert says in capsys.readouterr().err


def test_a_port_that_is_taken_is_explained(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serve.main(["--port", str(port), "--directory", str(tmp_path)]) == 2
    assert f"port {port} cannot be used" in capfd.readouterr().err


def test_popular_questions_are_asked_again() -> None:
    texts = popular([str(number) for number in range(20)])
    assert [texts.count(text) for text in ("0", "1", "4", "16")] == [3, 1, 2, 3]
    assert set(texts) == {str(number) for number in range(20)}


def test_a_table_is_readable_without_rich() -> None:
    table = plain("Latency", ("", "p50"), [("awaiting", "209.1 ms"), ("not", "6 ms")])
    assert (
        table.splitlines()
        == [
            "Latency",
            "",
            "               p50",
            "------------------",
            "awaiting  209.1 ms",
            "not           6 ms",
            "",
        ][: len(table.splitlines())]
    )
