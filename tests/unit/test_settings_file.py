"""The commented configuration: every setting is in it, with its meaning, and it means the defaults."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import msgspec

from fireforget import Settings
from fireforget._configuration import settings_from
from fireforget._settings_file import meanings, settings_file

ENTRY = re.compile(r"^# (\w+ =)", re.MULTILINE)


def switched_on() -> str:
    """The file with the comment mark before each setting removed; those without a default stay out."""
    return re.sub(r"^\w+ =$\n", "", ENTRY.sub(r"\1", settings_file()), flags=re.MULTILINE)


def tables(settings: msgspec.Struct, path: str = "") -> Iterator[tuple[str, msgspec.Struct]]:
    yield path, settings
    for name, value in msgspec.structs.asdict(settings).items():
        if isinstance(value, msgspec.Struct):
            yield from tables(value, f"{path}.{name}".lstrip("."))


def test_the_file_means_the_defaults() -> None:
    assert settings_from(tomllib.loads(settings_file())) == Settings()


def test_each_setting_that_is_switched_on_has_its_default() -> None:
    loaded = tomllib.loads(switched_on())

    assert settings_from(loaded) == Settings()
    for path, table in tables(Settings()):
        found: dict[str, Any] = loaded
        for name in path.split(".") if path else ():
            found = found[name]
        expected = {name for name, value in msgspec.structs.asdict(table).items() if value is not None}
        assert (path, set(found)) == (path, expected)


def test_a_setting_without_default_has_an_empty_place() -> None:
    missing = [
        name
        for _, table in tables(Settings())
        for name, value in msgspec.structs.asdict(table).items()
        if value is None
    ]

    assert "embedded" in missing
    for name in missing:
        assert f"\n# {name} =\n" in settings_file()


def test_each_setting_has_the_meaning_that_its_docstring_says() -> None:
    text = " ".join(line.removeprefix("#").strip() for line in settings_file().splitlines())

    for path, table in tables(Settings()):
        told = meanings(type(table))
        settings = [
            name for name, value in msgspec.structs.asdict(table).items() if not isinstance(value, msgspec.Struct)
        ]
        for name in settings:
            assert told[name], (path, name)
            assert told[name].replace("`", "") in text


def test_a_meaning_of_several_lines_is_whole() -> None:
    class Kind(msgspec.Struct):
        """A kind.

        Args:
            one: First line: with a colon
                and the second one.
            two: Another.
        """

        one: int = 1
        two: int = 2

    assert meanings(Kind) == {"one": "First line: with a colon and the second one.", "two": "Another."}


def test_no_line_is_longer_than_a_screen() -> None:
    assert max(map(len, settings_file().splitlines())) <= 100
