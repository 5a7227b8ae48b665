"""The report of a run of the kit: what each adapter can do, and which promises it keeps, as Markdown tables."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pytest

_PORTS: Final = {"queue": "Queues", "dead_letters": "Dead letters", "store": "Stores", "mailer": "Mailers"}

_CAPABILITIES: Final = {
    "max_message_bytes": ("Largest message", "{:,} bytes"),
    "max_batch_messages": ("Most messages in one call", "{:,}"),
    "max_batch_bytes": ("Most bytes in one call", "{:,} bytes"),
    "pack_bytes": ("Size worth packing up to", "{:,} bytes"),
    "ordered": ("Order per key", "{}"),
    "deduplication_seconds": ("Drops a second message with an id for", "{:,.0f} s"),
    "delayed_nack": ("Gives back with a delay", "{}"),
    "min_lease_seconds": ("Shortest lease", "{:,.0f} s"),
    "max_lease_seconds": ("Longest lease", "{:,.0f} s"),
}

_KEPT: Final = "yes"
_SEVERITY: Final = {"failed": 3, "xfailed": 2, "passed": 1, "skipped": 0}


class _Result(NamedTuple):
    """How a promise fared; of several runs of one test the worst counts."""

    status: str
    reason: str = ""

    @property
    def text(self) -> str:
        """As it stands in the table."""
        if self.status == "passed":
            return _KEPT
        return {"failed": "**no**", "xfailed": f"no: {self.reason}", "skipped": f"– ({self.reason})"}[self.status]


class Table:
    """Collects the results of the kit's tests."""

    def __init__(self) -> None:
        self._pending: dict[str, _Result] = {}
        self._adapters: dict[str, str] = {}
        self._capabilities: dict[str, Mapping[str, Any]] = {}
        self._results: list[tuple[int, str, str, str, _Result]] = []

    def add(self, report: pytest.TestReport) -> None:
        """Take one phase of one test. What was tested is known when a test of the kit has ended."""
        result = _result(report)
        if result is not None:
            self._pending[report.nodeid] = result
        tested: Any = dict(report.user_properties).get("fireforget")
        if report.when == "teardown" and (last := self._pending.pop(report.nodeid, None)) and tested is not None:
            kind, _, name = report.nodeid.rpartition("::")
            self._results.append((tested["number"], tested["port"], kind, promise_of(name), last))
            if "adapter" in tested:
                self._adapters[kind] = tested["adapter"]
                self._capabilities.setdefault(tested["adapter"], tested.get("capabilities", {}))

    def markdown(self) -> str:
        """The tables of all ports of which something was tested."""
        parts = []
        for port, title in _PORTS.items():
            promises: dict[str, dict[str, _Result]] = defaultdict(dict)
            for _, _, kind, promise, result in sorted(found for found in self._results if found[1] == port):
                known = promises[promise].get(adapter := self._adapters.get(kind, kind))
                if known is None or _SEVERITY[result.status] > _SEVERITY[known.status]:
                    promises[promise][adapter] = result
            if promises:
                adapters = list(dict.fromkeys(adapter for results in promises.values() for adapter in results))
                rows = [*self._declared(adapters)] if port == "queue" else []
                rows += [
                    [promise, *(results[adapter].text if adapter in results else "" for adapter in adapters)]
                    for promise, results in promises.items()
                ]
                parts.append(f"## {title}\n\n{_table(['', *map(_name, adapters)], rows)}")
        return "\n".join(parts)

    def _declared(self, adapters: list[str]) -> Iterable[list[str]]:
        for name, (title, form) in _CAPABILITIES.items():
            values = [self._capabilities.get(adapter, {}).get(name) for adapter in adapters]
            yield [title, *("" if value is None else _value(value, form) for value in values)]


class TableWriter:
    """A pytest plugin that writes the table when the run has ended.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._table = Table()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take one result."""
        self._table.add(report)

    def pytest_sessionfinish(self) -> None:
        """Write the file, in a folder that is made where there is none."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(self._table.markdown(), encoding="utf-8")


def _result(report: pytest.TestReport) -> _Result | None:
    """What this phase decides about the promise; None for nothing."""
    if report.failed:
        return _Result("failed")
    if hasattr(report, "wasxfail"):  # whether or not it failed this time: nobody relies on it
        return _Result("xfailed", report.wasxfail.removeprefix("reason: "))
    if report.skipped:
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else ""
        return _Result("skipped", reason.removeprefix("Skipped: "))
    return _Result("passed") if report.when == "call" else None


def promise_of(name: str) -> str:
    """The sentence that the name of a test is, with the apostrophe that a name cannot have."""
    return name.partition("[")[0].removeprefix("test_").replace("_s_", "'s_").replace("_", " ").capitalize()


def _name(adapter: str) -> str:
    """The class as code, and which kind of it after that."""
    kind, *which = adapter.partition(", ")
    return "".join([f"`{kind}`", *which])


def _value(value: object, form: str) -> str:
    if isinstance(value, bool):
        return _KEPT if value else "no"
    return form.format(value) if value else "–"


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
