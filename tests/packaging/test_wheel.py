"""What is installed: the package and its entry points, complete and alone."""

import configparser
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import repository


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=repository.ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def read(wheel: zipfile.ZipFile, name: str) -> str:
    return wheel.read(f"fireforget-0.1.0.dist-info/{name}").decode()


def test_the_wheel_holds_the_package_whole_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    source = repository.ROOT / "src"
    expected = {str(path.relative_to(source)) for path in repository.files("src/**")}

    installed = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert installed == expected
    assert {Path(name).parts[0] for name in installed} == {"fireforget"}


def test_the_wheel_says_that_it_is_typed(wheel: zipfile.ZipFile) -> None:
    assert "fireforget/py.typed" in wheel.namelist()
    assert "Classifier: Typing :: Typed" in read(wheel, "METADATA")


def test_the_wheel_carries_its_licence(wheel: zipfile.ZipFile) -> None:
    assert read(wheel, "licenses/LICENSE") == (repository.ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_embedded_backend_and_the_command_are_found(wheel: zipfile.ZipFile) -> None:
    entry_points = configparser.ConfigParser()
    entry_points.read_string(read(wheel, "entry_points.txt"))

    assert dict(entry_points["console_scripts"]) == {"fireforget": "fireforget.cli:main"}
    assert dict(entry_points["fireforget.backends"]) == {"local": "fireforget.local:backend"}
    assert dict(entry_points["fireforget.schemes"]) == dict.fromkeys(
        ["file", "memory", "smtp", "sqlite"], "fireforget.local:backend"
    )
