"""A CV as a list of skills: the documented JSON form, read and checked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

DATA = Path(__file__).parent / "data"
SKILLS_FILE = DATA / "skills.json"
README = "examples/cv_chatbot/README.md"

Text = Annotated[str, msgspec.Meta(min_length=1, pattern=r"\S")]
Struct = TypeVar("Struct", bound=msgspec.Struct)


class DataFileError(ValueError):
    """A skills or questions file that cannot be used; the message says which, why, and the mend."""


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose CV it is."""

    name: Text = "the candidate"
    title: str = ""
    summary: str = ""


class Skill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One skill. Only its name is required; the more it tells, the better it is found."""

    name: Text
    category: str = ""
    years: Annotated[float, msgspec.Meta(ge=0)] | None = None
    level: str = ""
    description: str = ""
    projects: tuple[str, ...] = ()


class CV(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person and the person's skills."""

    skills: Annotated[tuple[Skill, ...], msgspec.Meta(min_length=1)]
    person: Person = Person()


def read_json(path: Path, kind: type[Struct], option: str) -> Struct:
    """Read the JSON file at `path` as a `kind`; `option` names the command-line option that chose it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror}); give {option} the path of a readable JSON file"
        raise DataFileError(message) from error
    try:
        return msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=kind)
    except msgspec.ValidationError as error:
        message = f"{path}: {error}; correct it there, {README} describes the form"
        raise DataFileError(message) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"{path}: not JSON in UTF-8 ({error}); correct it there, {README} describes the form"
        raise DataFileError(message) from error


def load_skills(path: Path = SKILLS_FILE) -> CV:
    """Read a skills file; raise `DataFileError` with a one-line message where it is wrong."""
    cv = read_json(path, CV, "--skills")
    counts = Counter(skill.name.casefold() for skill in cv.skills)
    twice = next((skill.name for skill in cv.skills if counts[skill.name.casefold()] > 1), None)
    if twice is not None:
        message = f'{path}: the skill "{twice}" is there more than once; merge the entries or rename one'
        raise DataFileError(message)
    return cv
