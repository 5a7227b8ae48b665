from decimal import Decimal

import pytest

from fireforget.reporting import wording
from fireforget.reporting.figures import Money, Uniques
from fireforget.reporting.wording import Better, Format, Mood


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (0, "0"),
        (9_999_999, "9,999,999"),
        (12_345_678, "12.3 M"),
        (999_960_000, "1.0 G"),
        (3 * 10**15, "3,000 T"),
    ],
)
def test_a_quantity(value: float | None, words: str) -> None:
    assert wording.quantity(value) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (None, "–"),
        (0, "0%"),
        (1e-9, "<0.1%"),
        (0.034, "3.4%"),
        (0.0999, "10%"),
        (0.42, "42%"),
        (0.985, "98.5%"),
        (0.99999, ">99.9%"),
        (1, "100%"),
    ],
)
def test_a_share(share: float | None, words: str) -> None:
    assert wording.percent(share) == words


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (None, "–"),
        (0, "0 ms"),
        (0.001, "<0.01 ms"),
        (0.42, "0.42 ms"),
        (4.21, "4.2 ms"),
        (9.97, "10 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (1420, "1.42 s"),
        (59_900, "59.9 s"),
        (59_990, "1 min 0 s"),
        (125_000, "2 min 5 s"),
        (86_400_000, "24 h 0 min"),
    ],
)
def test_a_time(milliseconds: float | None, words: str) -> None:
    assert wording.duration(milliseconds) == words


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        ("0", "USD", "$0.00"),
        ("1234.567", "USD", "$1,234.57"),
        ("0.16", "EUR", "€0.16"),
        ("0.0355", "GBP", "£0.036"),
        ("0.00042", "USD", "$0.00042"),
        ("0.00001", "USD", "<$0.0001"),
        ("12.3", "CHF", "12.30 CHF"),
        ("0.999", "USD", "$1.00"),
    ],
)
def test_an_amount_of_money(amount: str, currency: str, words: str) -> None:
    assert wording.money(Money(Decimal(amount), currency)) == words


def test_currencies_do_not_add_up() -> None:
    assert wording.moneys([Money(Decimal(1), "EUR"), Money(Decimal(2), "USD")]) == "€1.00 + $2.00"
    assert wording.moneys([]) == "–"


@pytest.mark.parametrize(
    ("now", "before", "better", "words", "mood"),
    [
        (118, 100, "more", "▲ 18%", "good"),
        (118, 100, "less", "▲ 18%", "bad"),
        (82, 100, "more", "▼ 18%", "bad"),
        (82, 100, "neither", "▼ 18%", "neutral"),
        (104, 100, "more", "▲ 4%", "neutral"),
        (106, 100, "more", "▲ 6%", "good"),
        (1004, 1000, "more", "= same", "neutral"),
        (0, 0, "more", "= same", "neutral"),
        (5, 0, "more", "▲ from 0", "good"),
        (0, 5, "more", "▼ 100%", "bad"),
        (1, 1000, "more", "▼ 99%", "bad"),
        (1200, 100, "more", "▲ ×12", "good"),
        (None, 5, "more", "–", "neutral"),
        (5, None, "more", "–", "neutral"),
    ],
)
def test_a_relative_change(now: float | None, before: float | None, better: Better, words: str, mood: Mood) -> None:
    change = wording.change(now, before, better)

    assert (change.text, change.mood) == (words, mood)


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [(0.82, 0.85, "▼ 3 pts"), (0.86, 0.85, "▲ 1 pt"), (0.85, 0.8501, "= same"), (None, 0.5, "–")],
)
def test_a_change_of_a_share_is_in_points(now: float | None, before: float | None, words: str) -> None:
    assert wording.points(now, before, "more").text == words


@pytest.mark.parametrize(
    ("now", "before", "mood"),
    [(0.823, 0.83, "neutral"), (0.008, 0.004, "bad"), (0.995, 0.999, "bad"), (0.5, 0.6, "good"), (0.0, 0.0, "neutral")],
)
def test_a_change_of_a_share_is_news_where_either_part_of_it_is(now: float, before: float, mood: Mood) -> None:
    assert wording.points(now, before, "less" if now != 0.995 else "more").mood == mood


def test_a_change_in_its_own_unit() -> None:
    assert (wording.difference(76.4, 74.0, "more").text, wording.difference(76.4, 74.0, "more").mood) == (
        "▲ 2.4",
        "neutral",
    )
    assert wording.difference(80.0, 74.0, "more").mood == "good"
    assert wording.difference(1.25, 1.0, decimals=2).text == "▲ 0.25"
    assert wording.difference(None, 74.0).text == "–"


@pytest.mark.parametrize(
    ("form", "value", "words"),
    [
        (Format(), 1234.4, "1,234"),
        (Format(decimals=2, suffix=" €"), 1234.5, "1,234.50 €"),
        (Format("ms"), 1420, "1.42 s"),
        (Format("s"), 1.42, "1.42 s"),
        (Format("percent"), 0.034, "3.4%"),
        (Format("percent"), 1.5, "150%"),
        (Format("bytes"), 0, "0 B"),
        (Format("bytes"), 999.6, "1.0 kB"),
        (Format("bytes"), 118_400_000, "118 MB"),
        (Format("bytes"), 3.2e13, "32.0 TB"),
        (Format(suffix=" kg"), None, "–"),
    ],
)
def test_a_number_is_written_as_its_format_says(form: Format, value: float | None, words: str) -> None:
    assert form.words(value) == words


def test_plurals_and_estimates() -> None:
    assert wording.plural(1, "query", "queries") == "1 query"
    assert wording.plural(1200, "event") == "1,200 events"
    assert wording.uniques(Uniques(1200, exact=False), more=3) == "about 1,203"
