"""What the commands print, so that nothing of an event reaches the terminal but its text.

The values of events come from anywhere. Whatever in them could control a terminal, hide or reorder is written as JSON
would escape it, and markup in them is text.
"""

from __future__ import annotations

import csv
import json
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import click
import msgspec

from fireforget._secrets import without_secrets
from fireforget.reporting.legible import clean, clip

if TYPE_CHECKING:
    import logging
    from collections.abc import Sequence
    from datetime import datetime
    from types import TracebackType

    from rich.console import Console
    from rich.table import Table

_PAGE: Final = 100
"""Rows of a table that are laid out together."""

_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def say(line: str) -> None:
    """Print one line to stderr, under the program's name."""
    click.echo(f"fireforget: {clean(line)}", err=True)


def with_its_cause(record: logging.LogRecord) -> bool:
    """Let the record of a retry say by its message what stamina says in fields, which nobody sees on a terminal."""
    cause = visible(without_secrets(str(getattr(record, "stamina.caused_by", ""))))
    if cause:
        record.msg, record.args = "%s: tried again in %s s", (cause, getattr(record, "stamina.wait_for", 0))
    return True


def visible(text: str) -> str:
    r"""The text with every character that is not printable written as JSON escapes it: ``\u001b``, ``\n``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def instant(moment: datetime) -> str:
    """A moment with its offset, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(text: str) -> None:
    """Print to stdout in UTF-8, whatever the locale: JSON and CSV are read by programs."""
    sys.stdout.buffer.write(text.encode(errors="backslashreplace"))


def write_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    write(f"{visible(msgspec.json.encode(value).decode())}\n")


class Column(msgspec.Struct, frozen=True):
    """A column of a listing, and how a terminal shows it.

    Args:
        title: Its heading.
        width: How wide it is; None for as wide as it needs.
        cut: Where a text that is wider loses characters: at its end, at its start (ids differ at their ends), or
            nowhere, and it takes several lines.
        rest: It takes what the others leave of the line.
    """

    title: str
    width: int | None = None
    cut: Literal["end", "start", "never"] = "end"
    rest: bool = False


class Rows(ABC):
    """Rows under a heading, printed as they come. Nothing is printed where an error comes before the first."""

    def __init__(self) -> None:
        self._begun = False

    def add(self, *cells: str) -> None:
        """Print a row."""
        self._begin()
        self._row(cells)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; rows without any are a heading."""
        if error is None:
            self._begin()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._head()

    def flush(self) -> None:
        """Let everything that was added be seen."""
        sys.stdout.flush()

    @abstractmethod
    def _head(self) -> None:
        """Print the heading."""

    @abstractmethod
    def _row(self, cells: Sequence[str]) -> None:
        """Print a row."""


class Sheet(Rows):
    """CSV. A cell that a spreadsheet would take for a formula gets an apostrophe before it.

    Args:
        header: The names of the columns.
    """

    def __init__(self, *header: str) -> None:
        super().__init__()
        self._header = header
        self._writer = csv.writer(self, lineterminator="\n")

    def write(self, text: str) -> None:
        """Take a line from `csv`."""
        write(text)

    def _head(self) -> None:
        self._writer.writerow(self._header)

    def _row(self, cells: Sequence[str]) -> None:
        shown = map(visible, cells)
        self._writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in shown])


def listing(*columns: Column) -> Rows:
    """A table where stdout is a terminal, whole values between tabs elsewhere."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    return _Table(columns, console) if console.is_terminal else _Tabs(columns)


class _Tabs(Rows):
    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self._columns = columns

    def _head(self) -> None:
        self._row([column.title for column in self._columns])

    def _row(self, cells: Sequence[str]) -> None:
        write("\t".join(map(visible, cells)) + "\n")


class _Table(Rows):
    """Laid out page by page, so that the first rows are seen before the last ones are read."""

    def __init__(self, columns: Sequence[Column], console: Console) -> None:
        super().__init__()
        self._columns = columns
        self._console = console
        self._page: list[Sequence[str]] = []
        self._heading_is_due = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Print the last page; after an error, too, since what came before it counts."""
        super().__exit__(kind, error, trace)
        if not isinstance(error, BrokenPipeError):
            self._print()

    def flush(self) -> None:
        """Print a page that is not full."""
        self._print()
        super().flush()

    def _head(self) -> None:
        self._heading_is_due = True

    def _row(self, cells: Sequence[str]) -> None:
        self._page.append(cells)
        if len(self._page) >= _PAGE:
            self._print()

    def _print(self) -> None:
        if not (self._page or self._heading_is_due):
            return
        with self._console.capture() as capture:
            self._console.print(self._table())
        write(capture.get())
        self._page.clear()
        self._heading_is_due = False

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        whole = any(column.rest for column in self._columns)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=whole, show_header=self._heading_is_due)
        for column in self._columns:
            table.add_column(
                column.title,
                width=column.width,
                ratio=1 if column.rest else None,
                no_wrap=column.cut != "never",
                overflow="fold" if column.cut == "never" else "ellipsis",
            )
        for cells in self._page:
            table.add_row(*(Text(self._fit(*pair)) for pair in zip(self._columns, cells, strict=True)))
        return table

    def _fit(self, column: Column, cell: str) -> str:
        if column.cut == "never":
            return clean(cell)
        space = column.width or self._console.width
        if column.cut == "start" and len(cell) > space:
            return f"…{clean(cell[1 - space :])}"
        return clip(clean(cell[: 4 * space]), space)  # what lies beyond is never shown, and cleaning costs
