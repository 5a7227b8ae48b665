"""What a process holds: on the disk and in memory."""

from __future__ import annotations

from pathlib import Path


def allocated(directory: Path) -> int:
    """Bytes that the files below a directory take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())


def anonymous() -> int:
    """Bytes of this process's anonymous memory, resident: the heap, and whatever else belongs to it alone.

    Raises:
        RuntimeError: The kernel does not tell.
    """
    try:
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, rest = line.partition(":")
        if name == "Anonymous":
            return int(rest.split()[0]) * 1024
    message = "the kernel does not say how much memory is anonymous: this takes Linux"
    raise RuntimeError(message)
