"""The lock: every package by its hash, and all that the project declares."""

import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement

from tools import repository

LOCK = (repository.ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()


def declared() -> Iterator[str]:
    content = tomllib.loads((repository.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    yield from content["project"]["dependencies"]
    for group in content["project"]["optional-dependencies"].values():
        yield from group
    for group in content["dependency-groups"].values():
        yield from (entry for entry in group if isinstance(entry, str))


def test_every_package_is_pinned_by_its_hash() -> None:
    assert LOCK
    assert [package for package in LOCK if "==" not in package or " --hash=sha256:" not in package] == []


@pytest.mark.parametrize("declaration", sorted(set(declared())))
def test_what_is_declared_is_locked(declaration: str) -> None:
    wanted = Requirement(declaration)
    pinned = [Requirement(line.partition(" --hash")[0]) for line in LOCK]

    versions = [
        specifier.version for package in pinned if package.name == wanted.name for specifier in package.specifier
    ]

    assert versions
    assert [version for version in versions if version not in wanted.specifier] == []
