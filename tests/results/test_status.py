"""Levels of messages, and the one limit of trust."""

import numpy as np
import pytest

from factories import audit_result
from shiftgauge.report.read import main_quantity
from shiftgauge.results.status import TRUSTED_SHARE, Message, worst_level


@pytest.mark.parametrize(
    ("levels", "expected"),
    [([], "info"), (["info"], "info"), (["info", "alarm", "caution"], "alarm"), (["caution", "info"], "caution")],
)
def test_the_worst_level_decides(levels, expected):
    assert worst_level(Message(level=level, code="x", text="y") for level in levels) == expected


@pytest.mark.parametrize(
    ("share", "trusted"), [(TRUSTED_SHARE, True), (np.nextafter(TRUSTED_SHARE, 0), False), (1.0, True)]
)
def test_the_page_trusts_a_surrogate_from_the_shared_limit_on(share, trusted):
    result = audit_result(n_base=16, shifts=("rotation", "brightness"))
    result.arrays["surrogate_share"][:] = share
    result.arrays["surrogate_trusted"][:] = 1
    assert main_quantity(result).trusted == trusted
