"""The interval of a mean over images is Student's, of those that have a value."""

import numpy as np
from scipy import stats

from shiftgauge.results.mean_interval import mean_interval


def test_intervals_leave_out_what_is_no_number():
    values = np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, 4.0]])
    mean, low, high = mean_interval(values)
    np.testing.assert_allclose(mean, [1.5, 4.0])
    own = stats.ttest_1samp([1.0, 2.0], 0).confidence_interval(0.95)
    np.testing.assert_allclose([low[0], high[0]], own)
    assert np.isnan(low[1])
    assert np.isnan(mean_interval(np.full(3, np.nan))[0])
