import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from shiftgauge.report.embed import pack, safe_json, unpack

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(JSON)
def test_embedded_json_reads_back_and_cannot_leave_its_element(value):
    text = str(safe_json(value))
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!--<script>", "]]>", "&lt;", "\u2028\u2029"])
def test_text_that_would_end_the_script_element_is_escaped(text):
    assert not set(str(safe_json({text: text}))) & set("<>&\u2028\u2029")


def test_undefined_numbers_are_refused_in_json():
    with pytest.raises(ValueError, match="JSON"):
        safe_json([float("nan")])


@given(arrays(np.float64, array_shapes(max_dims=3, max_side=5), elements=st.floats(-1e6, 1e6) | st.just(np.nan)))
def test_packed_arrays_read_back_within_half_a_step(values):
    found = unpack(pack(values))
    assert found.shape == values.shape
    assert np.array_equal(np.isnan(found), np.isnan(values))
    good = values[np.isfinite(values)]
    if good.size:
        step = np.ptp(good) / 65534
        assert np.nanmax(np.abs(found - values), initial=0.0) <= 0.5001 * step + 1e-9 * np.abs(good).max()
