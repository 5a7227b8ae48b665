"""The command line: options, calls and output; what a command does, the library does."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_NEEDED: Final = frozenset({"click", "rich"})
_MISSING: Final = 'fireforget: the command line needs click and rich: pip install "fireforget[cli]"\n'
_MISUSED: Final = 2
_INTERRUPTED: Final = 130


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    _open_streams()
    try:
        import rich  # noqa: F401 - nothing needs it before a table is shown, but that it is missing is better said now

        from fireforget.cli.program import program
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        sys.stderr.write(_MISSING)
        sys.exit(_MISUSED)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    program.main(prog_name="fireforget")


def _open_streams() -> None:
    """Give a process that was started without standard streams some that lead nowhere; Python leaves them None."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open until the end
