"""The pytest plugin: pytest finds it as soon as `fireforget` is installed.

It brings the fixture `fireforget`, which captures what the code under test emits, and the option
``--fireforget-report FILE``, which writes what the tested adapters can do and which promises they keep.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fireforget.testing.capture import Capture

_KIT: Final = "fireforget.testing.conformance"

pytest.register_assert_rewrite(_KIT)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the report."""
    group = parser.getgroup("fireforget")
    group.addoption(
        "--fireforget-report",
        metavar="FILE",
        help="write a table of what the tested adapters can do and promise, in Markdown",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect for the report, where one is asked for; of several processes in the one that sees all results."""
    path = config.getoption("fireforget_report")
    if path and not hasattr(config, "workerinput"):
        from fireforget.testing.table import TableWriter

        config.pluginmanager.register(TableWriter(path), "fireforget-report")


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, obj: Any) -> None:
    """Refuse a class whose tests of the kit were replaced after it was made."""
    base = sys.modules.get(f"{_KIT}.base")
    if base is not None and isinstance(obj, type) and issubclass(obj, base.Conformance):
        try:
            base.refuse_overrides(obj)
        except TypeError as error:
            raise collector.CollectError(str(error)) from None


@pytest.fixture
def fireforget() -> Iterator[Capture]:
    """What the code under test emits, whichever `FireForget` it uses: no network, no disk, no thread left behind."""
    from fireforget.testing.capture import Capture

    with Capture() as capture:
        yield capture
