"""The check of the blocks runs what a reader would, and fails where that fails."""

import subprocess
from pathlib import Path

import pytest

from tools import check_blocks


@pytest.fixture
def root(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "Makefile").write_text("demo:\n\ttouch made\n")
    return tmp_path


def block(language: str, source: str, comment: str = "") -> str:
    return f"{comment}\n```{language}\n{source}\n```\n\n"


def check(root: Path, page: str) -> int:
    (root / "README.md").write_text(page)
    return check_blocks.main(root)


@pytest.mark.parametrize(
    "page",
    [
        block("python", "assert __name__ == '__main__'"),
        block("python", "a = 1") + block("python", "assert a == 1", "<!-- continue -->"),
        block("python", "a = 1") + block("text", "x") + block("python", "assert a == 1", "<!-- continue -->"),
        block("python", "open('x', 'w').close()") + block("python", "import os; assert not os.listdir()"),
        block("python", "import dataclasses\n@dataclasses.dataclass\nclass A:\n    b: 'int'"),
        block("toml", "a = 1"),
        block("toml", "a = 1") + block("python", "import os; assert not os.listdir()", "<!-- continue -->"),
        block("toml", '# fireforget.toml\nname = "a"')
        + block("python", "assert 'name' in open('fireforget.toml').read()", "<!-- continue -->"),
        block("sh", "# a comment\n\nmake demo"),
        block("console", "$ make demo\nits output"),
        block("sh", "cargo build", "<!-- skip: needs another house -->"),
        block("json", "{"),
    ],
)
def test_a_block_that_works_passes(root: Path, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(root, page) == 0, capsys.readouterr().out
    assert not (root / "made").exists()


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (block("python", "1 / 0"), "ZeroDivisionError"),
        (block("python", "a = 1") + block("python", "a"), "NameError"),
        (block("python", "b", "<!-- continue -->"), "nothing to continue"),
        (block("python", "b", "<!-- skip -->"), "needs a reason"),
        ("<!-- skip: why -->\n\nA paragraph.", "no fenced block"),
        ("<!-- continue -->", "said of nothing"),
        (block("toml", "a ="), "TOMLDecodeError"),
        (block("toml", "# fireforget.toml\nnaem = 'a'"), "SettingsError"),
        (block("toml", "# report.toml\n[headline]\ncount = 'nothing'"), "there is no measure"),
        (block("sh", "make nothing"), "No rule to make target"),
        (block("sh", "X=1 cargo build"), "is not run here"),
        (block("console", "$ cargo build\nbuilt"), "is not run here"),
    ],
)
def test_a_block_that_does_not_work_fails(root: Path, page: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(root, page) == 1
    assert said in capsys.readouterr().out


def test_a_traceback_names_the_line_of_the_page(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(root, "# Title\n\n" + block("python", "\nraise RuntimeError"))

    assert 'README.md", line 6' in capsys.readouterr().out


def test_a_block_that_does_not_end_fails(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_blocks, "SECONDS", 1)

    assert check(root, block("python", "import threading; threading.Event().wait()")) == 1
    assert "did not end in time" in capsys.readouterr().out


def test_the_last_line_counts(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(root, block("python", "") + block("toml", "") + block("sh", "make demo") + block("json", "{}"))

    assert capsys.readouterr().out == (
        "4 blocks on 1 pages: 1 of Python and 1 of commands run, 1 of TOML loaded, 0 skipped with a reason, "
        "1 in other languages; 0 failed\n"
    )
