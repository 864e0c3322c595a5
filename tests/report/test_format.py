import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftgauge.report import format as fmt

ANY_TEXT = st.text(alphabet=st.characters(codec=None, categories=None), max_size=80)


@given(ANY_TEXT)
def test_cleaned_text_holds_no_control_and_can_be_encoded(text):
    plain = fmt.clean(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in plain)
    assert not set(plain) & set("\u202e\u202d\u2066\u2028\u2029")
    plain.encode("utf-8")


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing_and_keeps_length(text):
    once = fmt.clean(text)
    assert fmt.clean(once) == once
    assert len(once) == len(text)


@given(ANY_TEXT, st.integers(4, 40))
def test_shortened_text_keeps_both_ends_and_the_limit(text, length):
    short = fmt.shorten(text, length)
    assert len(short) <= length
    if len(text) > length:
        assert "…" in short
        assert short[-1] == fmt.clean(text)[-1]


@given(st.floats(-1e6, 1e6, allow_nan=False).filter(lambda v: abs(v) > 1e-4))
def test_number_is_within_half_a_unit_of_its_last_digit(value):
    shown = float(fmt.number(value).replace("−", "-").replace(",", ""))
    assert abs(shown - value) <= 0.51 * 10 ** (math.floor(math.log10(abs(value))) - 2)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_undefined_numbers_become_a_dash(value):
    assert {f(value) for f in (fmt.number, fmt.fixed, fmt.percent, fmt.duration)} == {"–"}
    assert fmt.interval(value, 1.0) == ""
    assert fmt.with_unit(value, "°") == "–"


def test_quantity_of_a_hostile_class_keeps_its_name():
    assert fmt.quantity_label("probability[<b>]") == "Probability of “<b>”"
    assert fmt.quantity_label("my_own_score") == "My own score"
