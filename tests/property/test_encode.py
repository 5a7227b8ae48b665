"""Whatever is given to be encoded, it is JSON text of modest depth, or refused."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fireforget._encode import MAX_DEPTH, check_depth, encode, encode_slowly
from fireforget.errors import UnserializableError

ANY_TEXT = st.text(st.characters(), max_size=10)  # lone surrogates, too
KEYS = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.binary(max_size=5)
SCALARS = KEYS | st.decimals() | st.datetimes() | st.uuids() | st.complex_numbers() | st.builds(object)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.frozensets(KEYS, max_size=3)
        | st.dictionaries(KEYS | st.tuples(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(KEYS, ANYTHING, max_size=5))
def test_anything_is_json_text_or_refused(data: dict[Any, Any]) -> None:
    try:
        encoded = encode_slowly(data)
    except UnserializableError:
        return

    assert isinstance(json.loads(encoded.decode()), dict)


@given(st.dictionaries(st.text(max_size=5), PLAIN, max_size=5))
def test_plain_data_comes_back_as_it_was_on_both_paths(data: dict[str, Any]) -> None:
    assert json.loads(encode(data)) == data
    assert json.loads(encode_slowly(data)) == data


@given(st.lists(st.sampled_from("[{"), max_size=2 * MAX_DEPTH), st.text('"[]{}\\a', max_size=20))
def test_depth_is_counted_as_a_parser_counts_it(opened: list[str], text: str) -> None:
    value: Any = text
    for bracket in opened:
        value = [value, text] if bracket == "[" else {text: value}

    try:
        check_depth(encode(value))
    except UnserializableError:
        assert len(opened) > MAX_DEPTH
    else:
        assert len(opened) <= MAX_DEPTH
