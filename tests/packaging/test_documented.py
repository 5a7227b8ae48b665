"""What is public is documented, and what is documented is public."""

import re
from importlib import import_module
from typing import get_args

import msgspec
import pytest

import fireforget
from fireforget import EventError, Settings, _telemetry, abc, adapters, errors, hosts, processing, reporting, testing
from fireforget.reporting import definition, kinds
from fireforget.testing import faults, saboteurs
from fireforget.testing.table import promise_of
from tools.repository import ROOT

PAGES = ROOT / "docs" / "reference"
PUBLIC = [fireforget, abc, adapters, hosts, processing, reporting, testing, saboteurs, faults]

_DIRECTIVE = re.compile(r"^\.\. auto(?:class|exception|function|data):: (?P<path>[\w.]+)$", re.MULTILINE)


def documented() -> dict[str, object]:
    """Every documented name, by the path that the reference gives it, and what stands there."""
    paths = [path for page in sorted(PAGES.glob("*.md")) for path in _DIRECTIVE.findall(page.read_text("utf-8"))]
    assert len(paths) == len(set(paths))
    found = {}
    for path in paths:
        module, _, name = path.rpartition(".")
        found[path] = getattr(import_module(module), name)
    return found


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_what_is_public_is_documented(module: object) -> None:
    there = {id(value) for value in documented().values()}

    assert [name for name in module.__all__ if id(getattr(module, name)) not in there] == []  # type: ignore[attr-defined]


def test_what_is_documented_is_public() -> None:
    public = {id(getattr(module, name)) for module in PUBLIC for name in module.__all__}
    public |= {id(value) for name, value in vars(errors).items() if name.endswith("Error")}

    allowed = ("fireforget._settings.", "fireforget.asgi.Middleware", "fireforget.testing.conformance.")
    strangers = [path for path, value in documented().items() if id(value) not in public]
    assert [path for path in strangers if not path.startswith(allowed)] == []


def test_a_name_is_documented_once() -> None:
    values = [id(value) for value in documented().values()]

    assert len(values) == len(set(values))


def test_every_error_is_documented() -> None:
    there = {id(value) for value in documented().values()}

    assert [name for name, value in vars(errors).items() if name.endswith("Error") and id(value) not in there] == []


def test_every_reason_of_a_refusal_is_documented_and_no_other() -> None:
    table = (PAGES / "application.md").read_text("utf-8").partition("| reason |")[2]
    told = set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", table, re.MULTILINE))
    of_errors = {error.reason for error in vars(errors).values() if hasattr(error, "reason")} - {EventError.reason}
    files = [*(ROOT / "src" / "fireforget").glob("_*.py"), *(ROOT / "src" / "fireforget" / "_journal").glob("*.py")]
    source = "".join(file.read_text("utf-8") for file in files)

    assert of_errors - told == set()
    assert [reason for reason in told - of_errors if f'"{reason}"' not in source] == []


def test_every_metric_and_span_is_documented_and_no_other() -> None:
    page = (PAGES / "telemetry.md").read_text("utf-8")
    names = {value for name, value in vars(_telemetry).items() if name.isupper() and isinstance(value, str)}

    assert set(re.findall(r"^\| `(fireforget[ .][\w. ]+)` \|", page, re.MULTILINE)) == names - {_telemetry.SCOPE}


def test_every_table_of_the_settings_is_documented() -> None:
    page = (PAGES / "settings.md").read_text("utf-8")
    tables = [field for field in msgspec.structs.fields(Settings) if isinstance(field.type, type)]
    sections = [field.name for field in tables if issubclass(field.type, msgspec.Struct)]

    assert re.findall(r"^\.\. settings:: ?(\w*)$", page, re.MULTILINE) == ["", *sections]


@pytest.mark.parametrize(("union", "module"), [(kinds.Kind, "kinds"), (definition.AnyBlock, "definition")])
def test_every_kind_and_block_of_a_report_is_documented(union: object, module: str) -> None:
    page = (PAGES / "report-definitions.md").read_text("utf-8")
    heading, directive = r"^### (?:Kind|Block) `(\w+)`", rf"^\.\. vocabulary:: {module}\.(\w+)$"
    told = re.findall(rf"{heading}\n\n```{{eval-rst}}\n{directive}", page, re.MULTILINE)

    assert sorted(told) == sorted((kind.__struct_config__.tag, kind.__name__) for kind in get_args(union))


@pytest.mark.parametrize(
    ("title", "kit", "distant"),
    [
        ("Queues", testing.QueueConformance, {"`SQSQueue`, FIFO", "`SQSQueue`, standard"}),
        ("Dead letters", testing.DeadLettersConformance, {"`SQSDeadLetters`, FIFO", "`SQSDeadLetters`, standard"}),
        ("Stores", testing.StoreConformance, {"`DynamoDBStore`"}),
        ("Mailers", testing.MailerConformance, {"`SESMailer`"}),
    ],
)
def test_the_tables_of_capabilities_are_of_the_kit_of_today(title: str, kit: type, distant: set[str]) -> None:
    """Where this fails, `make capabilities` writes them anew."""
    page = (ROOT / "docs" / "_capabilities.md").read_text("utf-8")
    section = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| (.+) \|$", section, re.MULTILINE)
    columns = section.strip().splitlines()[0].strip("| ").split(" | ")
    promises = {promise_of(name) for name in dir(kit) if name.startswith("test_")}

    assert {name for name, _ in rows[-len(promises) :]} == promises  # what a queue declares stands before
    assert [name for name, kept in rows if "**no**" in kept] == []
    assert distant <= set(columns)


def test_every_public_name_is_exported_where_it_is_defined_to_be() -> None:
    for module in PUBLIC:
        assert len(set(module.__all__)) == len(module.__all__)
        assert [name for name in module.__all__ if not hasattr(module, name)] == []
