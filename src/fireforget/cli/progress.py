"""A bar on stderr while long work goes on; nothing where stderr is no terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from fireforget.operations.progress import silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fireforget.operations.progress import Progress


@contextmanager
def progress(label: str, *, beside: IO[str] | None = None) -> Iterator[Progress]:
    """Show how far the work in this block is, as it tells itself. The bar goes with the block.

    Args:
        label: What is counted.
        beside: Where the work prints; on a terminal that tells enough.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Display

    console = Console(stderr=True)
    if not console.is_terminal or (beside is not None and beside.isatty()):
        yield silent
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Display(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as display:
        task = display.add_task(label, total=None)

        def show(done: int, total: int | None) -> None:
            display.update(task, completed=done, total=total)

        yield show
