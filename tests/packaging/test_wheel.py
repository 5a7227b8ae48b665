"""What is installed: the package and its entry points, complete and alone."""

import configparser
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

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
    sources = {
        "src/**": repository.ROOT / "src",
        "backends/*/fireforget_*/**": repository.ROOT / "backends" / "aws",
    }
    expected = {
        str(path.relative_to(source)) for pattern, source in sources.items() for path in repository.files(pattern)
    }

    installed = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert installed == expected
    assert {Path(name).parts[0] for name in installed} == {"fireforget", "fireforget_aws"}


def test_the_wheel_says_that_it_is_typed(wheel: zipfile.ZipFile) -> None:
    assert "fireforget/py.typed" in wheel.namelist()
    assert "Classifier: Typing :: Typed" in read(wheel, "METADATA")


def test_the_wheel_carries_its_licence(wheel: zipfile.ZipFile) -> None:
    assert read(wheel, "licenses/LICENSE") == (repository.ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_backends_the_command_and_the_plugin_are_found(wheel: zipfile.ZipFile) -> None:
    entry_points = configparser.ConfigParser()
    entry_points.read_string(read(wheel, "entry_points.txt"))

    assert dict(entry_points["console_scripts"]) == {"fireforget": "fireforget.cli:main"}
    assert dict(entry_points["pytest11"]) == {"fireforget": "fireforget.testing.plugin"}
    assert dict(entry_points["fireforget.backends"]) == {
        "aws": "fireforget_aws:backend",
        "local": "fireforget.local:backend",
    }
    assert dict(entry_points["fireforget.hosts"]) == {"lambda": "fireforget_aws.host:lambda_host"}
    assert dict(entry_points["fireforget.schemes"]) == {
        **dict.fromkeys(["dynamodb", "ses", "sqs"], "fireforget_aws:backend"),
        **dict.fromkeys(["file", "memory", "smtp", "sqlite"], "fireforget.local:backend"),
    }


def test_the_wheel_does_its_work_without_the_source(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    wheel.extractall(installed)
    empty.mkdir()
    program = """
        import fireforget
        from fireforget import FireForget
        print(fireforget.__file__)
        with FireForget() as ff:
            ff.emit("query", {"query": "does it work?"})
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FIREFORGET_")}

    def python(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=empty,
            env=environment | {"PYTHONPATH": str(installed)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    assert Path(python("-c", dedent(program)).strip()).is_relative_to(installed)
    told = python("-c", "from fireforget.cli import main; main()", "report", "--html", "report.html", "--text")
    assert "does it work?" in told
    assert "does it work?" in (empty / "report.html").read_text(encoding="utf-8")
