import pytest

from shiftgauge.data.groups import groups_by_pattern
from shiftgauge.errors import DataError

NAMES = ["good/part7_a.png", "crack/part7_b.png", "good/part12.png"]


def test_the_first_parentheses_are_the_group():
    assert groups_by_pattern(NAMES, r"part(\d+)(_.)?") == ("7", "7", "12")
    assert groups_by_pattern(NAMES, "^([^/]+)/") == ("good", "crack", "good")
    assert groups_by_pattern(NAMES, None) is None


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"part(\d+)_", r"no group for 1 of 3 images, the first is `good/part12\.png`"),
        (r"part(x)?", "no group for 3 of 3 images"),
        (r"part\d+", "needs parentheses"),
        (r"part(\d+", "is no regular expression: missing"),
    ],
)
def test_a_pattern_that_gives_no_group_is_an_error_with_the_first_name(pattern, message):
    with pytest.raises(DataError, match=message) as caught:
        groups_by_pattern(NAMES, pattern)
    assert "\n" not in str(caught.value)
