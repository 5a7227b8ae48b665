"""Types of command-line options that say what they take."""

from __future__ import annotations

import argparse


def port(text: str) -> int:
    """Read a TCP port; 0 stands for any free one."""
    return _integer(text, 0, 65535, "a port from 1 to 65535, or 0 for any free one")


def clients(text: str) -> int:
    """Read a number of concurrent clients."""
    return _integer(text, 1, 256, "a number of clients from 1 to 256")


def milliseconds(text: str) -> int:
    """Read a duration."""
    return _integer(text, 0, 60_000, "milliseconds from 0 to 60000")


def _integer(text: str, least: int, most: int, what: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return number
