from hypothesis import given
from hypothesis import strategies as st

from fireforget.reporting.legible import LABEL_CHARACTERS, clean, clip, label, pad, width, wrap
from tests.reports import HOSTILE, hidden

texts = st.text() | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Mn", "Zs", "Lo"])) | st.sampled_from(HOSTILE)


@given(texts)
def test_clean_text_is_one_line_without_anything_hidden(text: str) -> None:
    shown = clean(text)

    assert hidden(shown) == set()
    assert "\n" not in shown
    assert clean(shown) == shown
    shown.encode()


@given(st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="\u115f\u1160\u2800\u3164\uffa0")))
def test_text_that_hides_nothing_is_left_alone(text: str) -> None:
    assert clean(text) == text


@given(texts)
def test_a_label_is_never_empty_and_never_long(text: str) -> None:
    assert 0 < len(label(text)) <= LABEL_CHARACTERS
    assert hidden(label(text)) == set()


@given(texts, st.integers(1, 40))
def test_what_is_clipped_or_wrapped_fits(text: str, columns: int) -> None:
    shown = clean(text)

    assert width(clip(shown, columns)) <= columns
    assert all(width(line) <= columns for line in wrap(shown, columns))
    if width(shown) <= columns:
        assert clip(shown, columns) == shown
        assert width(pad(shown, columns)) == width(pad(shown, columns, right=True)) == columns
