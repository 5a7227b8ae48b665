"""The command line: options, calls and output; what a command does, the library does."""

from __future__ import annotations

import sys
from typing import Final

_NEEDED: Final = frozenset({"click", "rich"})
_MISSING: Final = 'fireforget: the command line needs click and rich: pip install "fireforget[cli]"\n'
_MISUSED: Final = 2
_INTERRUPTED: Final = 130


def main() -> None:
    """Run the command line, and end the process with its exit code."""
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
