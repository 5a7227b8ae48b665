"""The backend that backends/README.md builds: installed as a distribution of its own, found, and up to the kit."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tools import check_blocks, repository

PAGE = repository.ROOT / "backends" / "README.md"
FILE = re.compile(r"# ([\w/]+\.(?:py|toml))\n")


class Installed(NamedTuple):
    project: Path
    packages: Path


def run(installed: Installed, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=installed.project,
        env=os.environ | {"PYTHONPATH": str(installed.packages)},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    place = Installed(tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("packages"))
    for block in check_blocks.blocks(PAGE, repository.ROOT):
        named = FILE.match(block.source)
        if named and named[1] != "fireforget.toml":
            path = place.project / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            assert not path.exists(), f"{named[1]} stands on the page twice"
            path.write_text(block.source, encoding="utf-8")
    options: list[str | Path] = [
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
        "--quiet",
        "--target",
        place.packages,
    ]
    result = run(place, "-m", "pip", "--disable-pip-version-check", "install", *options, ".")
    assert result.returncode == 0, result.stderr
    return place


def test_it_is_found_by_its_url(installed: Installed) -> None:
    program = """
from fireforget import Settings
from fireforget._backends import Adapters
adapters = Adapters(Settings(queue="folder:///spool/shop", store="memory://shop"))
print(type(adapters.queue()).__module__, adapters.queue().identity, adapters.embedded)
"""
    result = run(installed, "-c", program)
    assert result.stdout == "fireforget_folder.queue folder:///spool/shop True\n", result.stderr


def test_what_it_does_not_serve_is_refused_with_the_mend(installed: Installed) -> None:
    program = """
from fireforget import Settings, SettingsError
from fireforget._backends import Adapters
try:
    Adapters(Settings(backend="folder")).store()
except SettingsError as error:
    print(error)
"""
    assert 'store = "sqlite:///shop.db"' in run(installed, "-c", program).stdout


def test_it_passes_the_kit(installed: Installed, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    result = run(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--fireforget-report", report, "tests")
    assert result.returncode == 0, result.stdout
    table = report.read_text(encoding="utf-8")
    assert "| Order per key | no |" in table
    assert "| A late ack does no harm | yes |" in table
    assert "| A key has one consumer at a time | – (this queue declares that it keeps no order) |" in table
