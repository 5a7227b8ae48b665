"""The lock: every package by its hash, and all that the project declares."""

import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement

from tools import repository

ALONE = {"ministack", "moto", "peers"}
"""The groups with an environment and a lock of their own."""


def lock(name: str) -> list[str]:
    text = (repository.ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return text.replace("\\\n", " ").splitlines()


def declared() -> Iterator[tuple[str, str]]:
    content = tomllib.loads((repository.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project, groups = content["project"], content["dependency-groups"]
    for extra in (project["dependencies"], *project["optional-dependencies"].values()):
        yield from (("dev", requirement) for requirement in extra)
    for name, group in groups.items():
        yield from ((name if name in ALONE else "dev", entry) for entry in group if isinstance(entry, str))


@pytest.mark.parametrize("name", ["dev", *ALONE])
def test_every_package_is_pinned_by_its_hash(name: str) -> None:
    assert lock(name)
    assert [package for package in lock(name) if "==" not in package or " --hash=sha256:" not in package] == []


@pytest.mark.parametrize(("name", "declaration"), sorted(set(declared())))
def test_what_is_declared_is_locked(name: str, declaration: str) -> None:
    wanted = Requirement(declaration)
    pinned = [Requirement(line.partition(" --hash")[0]) for line in lock(name)]

    versions = [
        specifier.version for package in pinned if package.name == wanted.name for specifier in package.specifier
    ]

    assert versions
    assert [version for version in versions if version not in wanted.specifier] == []
