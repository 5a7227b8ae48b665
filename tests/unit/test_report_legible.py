import pytest

from fireforget.reporting.legible import clean, clip, label, width, wrap


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" two\n\t words\u2028three\u00a0four ", "two words three four"),
        ("nul\x00 esc\x1b[31m", "nul\\u0000 esc\\u001b[31m"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("lone\ud800", "lone\\ud800"),
        ("tag\U000e0041 hidden\U000e0101", "tag\\U000e0041 hidden\\U000e0101"),
        ("a\u3164b\u2800c", "a\\u3164b\\u2800c"),
        ("e" + "\u0301" * 9, "e" + "\u0301" * 4),
        ("👩\u200d💻 می\u200cخوریم", "👩\u200d💻 می\u200cخوریم"),
        ("Ångström, 漢字, שלום", "Ångström, 漢字, שלום"),
    ],
)
def test_what_hides_is_written_out(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_label_of_nothing_says_so() -> None:
    assert label("") == label(" \n\t") == "(empty)"


def test_a_long_label_ends_with_an_ellipsis() -> None:
    assert label("x" * 10**6) == "x" * 159 + "…"


def test_wide_characters_take_two_columns() -> None:
    assert width("漢字 e\u0301") == 6
    assert clip("漢字漢字", 5) == "漢字…"
    assert wrap("漢字 漢字 漢字", 10) == ["漢字 漢字", "漢字"]
