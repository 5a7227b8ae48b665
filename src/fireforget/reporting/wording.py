"""Figures in words: counts, shares, times, amounts of money, and how they changed."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fireforget.reporting.figures import Money, Uniques

Mood = Literal["good", "neutral", "bad"]
Better = Literal["more", "less", "neither"]
Unit = Literal["number", "ms", "s", "bytes", "percent"]

NOTHING: Final = "–"

_SIGNS: Final = {"up": "▲", "down": "▼", "same": "= same", "unknown": NOTHING}

_COMPACT_FROM: Final = 10_000_000
_SYMBOLS: Final = {"EUR": "€", "GBP": "£", "JPY": "¥", "USD": "$"}
_SAME_BELOW: Final = 0.005
_TIMES_FROM: Final = 8.995
_NOTABLE: Final = 0.05
"""A change that is relatively smaller is neither good news nor bad: a page full of colours says nothing."""
_NOT_ALL: Final = -0.99
"""A fall that leaves something is never one of 100 %."""


class Change(msgspec.Struct, frozen=True):
    """How a figure changed.

    Args:
        direction: ``"up"``, ``"down"`` or ``"same"``; ``"unknown"`` where one of the two figures is missing.
        size: By how much; may be empty.
        mood: Whether that is good news.
    """

    direction: Literal["up", "down", "same", "unknown"]
    size: str = ""
    mood: Mood = "neutral"

    @property
    def text(self) -> str:
        """An arrow and the size: ``▲ 18%``."""
        return f"{_SIGNS[self.direction]} {self.size}".rstrip()


class Format(msgspec.Struct, frozen=True):
    """How a number is written.

    Args:
        unit: ``"number"``, or a time, a size or a share.
        decimals: Digits after the point of a number.
        suffix: What stands behind it.
    """

    unit: Unit = "number"
    decimals: int = 0
    suffix: str = ""

    def words(self, value: float | None) -> str:
        """The number in words."""
        if value is None:
            return NOTHING
        match self.unit:
            case "ms" | "s":
                text = duration(value if self.unit == "ms" else 1000 * value)
            case "bytes":
                text = size(value)
            case "percent":
                text = percent(value)
            case _:
                text = f"{value:,.{self.decimals}f}" if self.decimals else quantity(value)
        return text + self.suffix


def quantity(value: float | None) -> str:
    """A count: ``1,234``; from ten million on ``12.3 M``."""
    if value is None:
        return NOTHING
    if value < _COMPACT_FROM:
        return f"{value:,.0f}"
    for size, letter in ((1e6, "M"), (1e9, "G"), (1e12, "T")):
        if value < 999.95 * size:
            return f"{value / size:.1f} {letter}"
    return f"{value / 1e12:,.0f} T"


def uniques(figure: Uniques, more: int = 0) -> str:
    """A count of different things, and `more` of them; ``about`` where it is not exact."""
    return ("" if figure.exact else "about ") + quantity(figure.count + more)


def plural(count: float, one: str, many: str = "") -> str:
    """``1 query``, ``2 queries``; the plural is `one` with an s, unless it is given."""
    return f"{quantity(count)} {one if count == 1 else many or one + 's'}"


def percent(share: float | None) -> str:
    """A share: ``42%``, with a decimal near either end; never ``0%`` or ``100%`` unless it is."""
    if share is None:
        return NOTHING
    if share in {0, 1} or share > 1:
        return f"{share:,.0%}"
    if share < 0.001:  # noqa: PLR2004 - what one decimal cannot show
        return "<0.1%"
    if share > 0.999:  # noqa: PLR2004 - the same at the other end
        return ">99.9%"
    near = min(share, 1 - share) < 0.0995  # noqa: PLR2004 - what one decimal would not make 10.0%
    return f"{share:.1%}" if near else f"{share:.0%}"


def duration(milliseconds: float | None) -> str:
    """A time with its unit, to two or three digits: ``0.42 ms``, ``118 ms``, ``1.42 s``, ``2 min 5 s``."""
    if milliseconds is None:
        return NOTHING
    seconds = milliseconds / 1000
    if milliseconds == 0:
        return "0 ms"
    if milliseconds < 0.005:  # noqa: PLR2004 - what two decimals cannot show
        return "<0.01 ms"
    for limit, text in (
        (9.95, f"{milliseconds:.2f} ms" if milliseconds < 1 else f"{milliseconds:.1f} ms"),
        (999.5, f"{milliseconds:.0f} ms"),
        (9_995, f"{seconds:.2f} s"),
        (59_950, f"{seconds:.1f} s"),
    ):
        if milliseconds < limit:
            return text
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - an hour has 60
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def size(octets: float) -> str:
    """A size with its unit, to two or three digits: ``512 B``, ``1.4 kB``, ``118 MB``; a kilobyte has 1000 bytes."""
    if octets < 999.5:  # noqa: PLR2004 - what would be written with four digits
        return f"{octets:.0f} B"
    for unit, name in ((1e3, "kB"), (1e6, "MB"), (1e9, "GB")):
        if octets < 999.5 * unit:
            return f"{octets / unit:.1f} {name}" if octets < 9.95 * unit else f"{octets / unit:.0f} {name}"
    return f"{octets / 1e12:,.1f} TB"


def money(amount: Money) -> str:
    """An amount: ``$12.34``, ``12.34 CHF``; small ones to two significant digits, down to ``<$0.0001``."""
    value = amount.amount
    if value == 0 or value >= 1:
        text = f"{value.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"
    elif value < Decimal("0.0001"):
        return "<" + _currency("0.0001", amount.currency)
    else:
        digits = max(2, 1 - value.adjusted())
        text = f"{value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)}"
    return _currency(text, amount.currency)


def moneys(amounts: Sequence[Money]) -> str:
    """Amounts of several currencies, which do not add up."""
    return " + ".join(money(amount) for amount in amounts) if amounts else NOTHING


def change(now: float | None, before: float | None, better: Better = "neither") -> Change:
    """By how much a figure changed, relative to the one before: ``▲ 18%``, ``▲ ×12``."""
    if now is None or before is None:
        return Change("unknown")
    if before == 0:
        return Change("same") if now == 0 else _change(now, "from 0", better)
    ratio = now / before - 1
    if abs(ratio) < _SAME_BELOW:
        return Change("same")
    better = better if _is_notable(now, before) else "neither"
    if ratio >= _TIMES_FROM:
        return _change(ratio, f"×{now / before:,.0f}", better)
    return _change(ratio, f"{max(ratio, _NOT_ALL) if ratio > -1 else ratio:.0%}".lstrip("-"), better)


def points(now: float | None, before: float | None, better: Better = "neither") -> Change:
    """By how many percentage points a share changed: ``▼ 3.2 pts``."""
    if now is None or before is None:
        return Change("unknown")
    difference = round(100 * (now - before), 1)
    unit = "pt" if abs(difference) == 1 else "pts"
    if not (_is_notable(now, before) or _is_notable(1 - now, 1 - before)):  # 99.9% is far better than 99.5%
        better = "neither"
    return _change(difference, f"{abs(difference):g} {unit}", better)


def difference(now: float | None, before: float | None, better: Better = "neither", decimals: int = 1) -> Change:
    """By how much a figure changed, in its own unit: ``▲ 2.4``."""
    if now is None or before is None:
        return Change("unknown")
    by = round(now - before, decimals)
    better = better if _is_notable(now, before) else "neither"
    return _change(by, f"{abs(by):g}", better)


def _is_notable(now: float, before: float) -> bool:
    return abs(now - before) >= _NOTABLE * max(abs(now), abs(before))


def _change(by: float, size: str, better: Better) -> Change:
    if by == 0:
        return Change("same")
    good = (by > 0) == (better == "more")
    mood: Mood = "neutral" if better == "neither" else "good" if good else "bad"
    return Change("up" if by > 0 else "down", size, mood)


def _currency(text: str, code: str) -> str:
    symbol = _SYMBOLS.get(code)
    return f"{symbol}{text}" if symbol else f"{text} {code}"
