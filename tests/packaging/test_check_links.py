"""The check of the links finds what is broken, and only that."""

import subprocess
from pathlib import Path

import pytest

from tools import check_links

TARGET = """# The target

## `emit`, the *hot* path

## Twice

## Twice

<a id="anchor"></a>
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "target.md").write_text(TARGET)
    (tmp_path / "docs" / "including.md").write_text("```{include} target.md\n```\n")
    (tmp_path / "code.py").touch()
    (tmp_path / ".gitignore").write_text("ignored.md\n")
    (tmp_path / "ignored.md").touch()
    return tmp_path


@pytest.mark.parametrize(
    "link",
    [
        "[a](docs/target.md)",
        "[a](docs/)",
        "[a](code.py#L3)",
        "[a](docs/target.md#emit-the-hot-path)",
        "[a](docs/target.md#twice-1)",
        "[a](docs/target.md#anchor)",
        "[a](docs/including.md#anchor)",
        "[a](#here)\n\n# Here",
        "[a][b]\n\n[b]: docs/target.md",
        "[a](https://example.com/nothing)",
        "<a href='docs/target.md'>a</a>",
        "`[a](nothing.md)`",
    ],
)
def test_a_link_that_leads_somewhere_passes(root: Path, link: str, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "page.md").write_text(link)

    assert check_links.main(root) == 0
    assert capsys.readouterr().out.endswith("0 broken\n")


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("[a](nothing.md)", "nothing.md leads to nothing"),
        ("![a](nothing.png)", "nothing.png leads to nothing"),
        ("[a](ignored.md)", "ignored.md leads to nothing"),
        ("[a](../outside.md)", "../outside.md leads to nothing"),
        ("[a](/docs/target.md)", "/docs/target.md is not relative"),
        ("[a](docs/target.md#thrice)", "docs/target.md#thrice names no heading"),
        ("[a](docs/including.md#thrice)", "docs/including.md#thrice names no heading"),
        ("[a](#there)\n\n# Here", "#there names no heading"),
        ("| a |\n| - |\n| [a](nothing.md) |", "nothing.md leads to nothing"),
        ("<img src='nothing.png'>", "nothing.png leads to nothing"),
    ],
)
def test_a_broken_link_is_reported(root: Path, link: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "page.md").write_text(link)

    assert check_links.main(root) == 1
    assert said in capsys.readouterr().out
