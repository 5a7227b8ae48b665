"""Tables on a terminal: rich's where it is installed, plain text otherwise."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is text, the others are figures."""
    if importlib.util.find_spec("rich") is None:
        print(plain(title, head, rows))
        return
    from rich import box  # noqa: PLC0415 - an extra that may be missing
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place, name in enumerate(head):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False)
    console.print(title, style="bold", markup=False, soft_wrap=True, end="\n\n")
    console.print(table)
    console.print()


def plain(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as text."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]

    def line(row: Sequence[str]) -> str:
        first, *others = zip(row, widths, strict=True)
        return "  ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)])

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([title, "", line(head), rule, *map(line, rows), ""])
