"""Text that came with events, made fit to be read: nothing invisible, nothing that reorders, nothing endless.

Escaping for HTML is the template's business; this is what HTML's escaping leaves in: control characters,
bidirectional overrides, unassigned and private characters, invisible letters, piles of combining marks.
"""

from __future__ import annotations

import unicodedata
from typing import Final

LABEL_CHARACTERS: Final = 160
"""Longest text from an event that a report shows."""
ELLIPSIS: Final = "…"

_JOINERS: Final = frozenset("\u200c\u200d")
"""Invisible, and yet emoji, Persian and the scripts of India need them."""
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Letters, marks and symbols by category, but nobody sees them."""
_TALLEST_PILE: Final = 4
_BMP: Final = 0xFFFF


def clean(text: str) -> str:
    r"""The text on one line, with every character that could hide, reorder or control written as ``\u202e``.

    White space becomes single spaces; of more than four combining marks on a letter the rest is dropped. What
    is clean already comes back as it is.
    """
    line = " ".join(text.split())
    if line.isascii() and line.isprintable():
        return line
    shown: list[str] = []
    pile = 0
    for char in line:
        pile = pile + 1 if _is_mark(char) else 0
        if pile <= _TALLEST_PILE:
            shown.append(char if _is_fit(char) else _escape(char))
    return "".join(shown)


def label(text: str) -> str:
    """The text as a report shows it: clean, never empty, and no longer than `LABEL_CHARACTERS`."""
    beginning = text.lstrip()[: 4 * LABEL_CHARACTERS]  # what lies beyond is never shown, and cleaning costs
    shown = clean(beginning)
    if len(shown) > LABEL_CHARACTERS:
        return shown[: LABEL_CHARACTERS - 1].rstrip() + ELLIPSIS
    return shown or "(empty)"


def width(text: str) -> int:
    """How many columns of a terminal or a plain-text mail the text takes."""
    if text.isascii():
        return len(text)
    return sum(_columns(char) for char in text)


def clip(text: str, columns: int) -> str:
    """The text, cut to so many columns with an ellipsis where it is wider."""
    if width(text) <= columns:
        return text
    kept: list[str] = []
    left = columns - 1
    for char in text:
        left -= _columns(char)
        if left < 0:
            break
        kept.append(char)
    return "".join(kept).rstrip() + ELLIPSIS


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """The text filled up with spaces to so many columns: behind it, or before it where `right` is set."""
    space = " " * (columns - width(text))
    return space + text if right else text + space


def wrap(text: str, columns: int) -> list[str]:
    """The text in lines of at most so many columns, broken between words; a longer word is clipped."""
    lines: list[str] = []
    for word in text.split():
        if lines and width(lines[-1]) + 1 + width(word) <= columns:
            lines[-1] += f" {word}"
        else:
            lines.append(clip(word, columns))
    return lines


def _is_fit(char: str) -> bool:
    return char in _JOINERS or (char.isprintable() and char not in _BLANK and not _is_selector(char))


def _is_selector(char: str) -> bool:
    """One of the 240 variation selectors that no font heeds and that can carry hidden text."""
    return "\U000e0100" <= char <= "\U000e01ef"


def _is_mark(char: str) -> bool:
    return char in _JOINERS or unicodedata.category(char) in {"Mn", "Me"}


def _columns(char: str) -> int:
    if _is_mark(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\U{code:08x}" if code > _BMP else f"\\u{code:04x}"
