"""What no file of the repository may hold, because it is true on one machine only."""

import re
import subprocess
from pathlib import Path

import pytest

from tools import repository

# Put together here, so that this file does not hold them either.
HOSTS = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("golang", "org"),
        ("maven", "org"),
        ("debian", "org"),
    ]
]
FOLDERS = [f"/{folder}/" for folder in ("root", "work", "Users", "opt/wheels")]

FORBIDDEN = re.compile(
    "|".join(
        [
            *(rf"(?<![\w-]){re.escape(host)}\b" for host in HOSTS),
            *(rf"(?<![\w.}}\-]){folder}" for folder in FOLDERS),
        ]
    )
)


def text(path: Path) -> str:
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode(errors="replace")


def test_no_file_names_a_package_registry_or_a_folder_of_one_machine() -> None:
    found = [
        f"{path.relative_to(repository.ROOT)}:{number}: {match[0]}"
        for path in repository.files()
        for number, line in enumerate(text(path).splitlines(), start=1)
        if (match := FORBIDDEN.search(line))
    ]

    assert found == []


@pytest.mark.parametrize("place", [f"see {HOSTS[0]}/p", f"files.{HOSTS[1]}", f'"{FOLDERS[0]}x"', f"cd {FOLDERS[1]}"])
def test_such_a_place_would_be_found(place: str) -> None:
    assert FORBIDDEN.search(place)


@pytest.mark.parametrize("place", ["docs/work/", "{folder}/work/", "my-crat" + "es.iota"])
def test_what_only_looks_like_such_a_place_is_left_alone(place: str) -> None:
    assert not FORBIDDEN.search(place)


def test_nothing_that_git_ignores_is_tracked() -> None:
    listing = subprocess.run(
        ["git", "ls-files", "-ci", "--exclude-standard"],
        cwd=repository.ROOT,
        check=True,
        capture_output=True,
        text=True,
    )

    assert listing.stdout == ""
