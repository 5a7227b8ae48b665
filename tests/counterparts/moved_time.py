"""Runs a server's own program, unchanged, on a clock that a test can move: `python moved_time.py FILE PROGRAM ...`.

The file holds the seconds by which that clock is ahead, as one float. Only the time of day is moved, which is what
servers count leases and deduplication by; sleeps and timeouts of sockets go by the machine's clock.
"""

from __future__ import annotations

import importlib
import mmap
import runpy
import struct
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

FORM: Final = struct.Struct("d")


def main(file: str, program: str) -> None:
    with Path(file).open("rb") as opened:
        ahead = mmap.mmap(opened.fileno(), FORM.size, access=mmap.ACCESS_READ)
    true_time = time.time

    def moved_time() -> float:
        return true_time() + float(FORM.unpack_from(ahead)[0])

    time.time = moved_time
    if "moto" in Path(program).name:
        utils: Any = importlib.import_module("moto.core.utils")  # which is only where moto is
        utils.utcnow = lambda: datetime.fromtimestamp(moved_time(), UTC).replace(tzinfo=None)
    sys.argv = sys.argv[2:]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:3])
