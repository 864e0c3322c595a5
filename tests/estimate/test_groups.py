"""Which columns of a design are picked as one."""

import pytest

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.groups import group_columns, theta_columns, unit_columns
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space


def _inputs(n_images: int = 0, repeat: bool = False) -> Inputs:
    options = {"low": 0, "high": 1}
    varying = [Parameter(name=name, distribution="uniform", options=options) for name in ("a", "b", "c")]
    fixed = Parameter(name="still", distribution="fixed", options={"value": 2.0})
    return Inputs(space=Space([fixed, *varying]), n_images=n_images, repeat=repeat)


def test_without_groups_every_input_stands_alone() -> None:
    assert group_columns(_inputs(), None) == {"a": (0,), "b": (1,), "c": (2,)}


def test_groups_stand_in_the_order_of_the_inputs_and_fixed_members_have_no_part() -> None:
    assert group_columns(_inputs(), {"pair": ["c", "a", "still"]}) == {"pair": (0, 2), "b": (1,)}


def test_physical_columns_count_fixed_parameters_and_neither_image_nor_repeat() -> None:
    inputs = _inputs(n_images=3, repeat=True)
    columns = list(group_columns(inputs, {"pair": ["a", "c"]}).values())
    assert theta_columns(inputs, columns) == [slice(0, 0), [1, 3], slice(2, 3), slice(0, 0)]
    assert unit_columns(inputs, columns) == [slice(0, 1), [1, 3], slice(2, 3), slice(0, 0)]


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"one": ["a"], "two": ["a"]}, "`a` stands in two groups, `one` and `two`"),
        ({"a": ["b", "c"]}, "group `a` bears the name of an input outside it"),
        ({"one": ["z"]}, "input"),
    ],
)
def test_what_cannot_be_grouped_is_refused(groups: dict[str, list[str]], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        group_columns(_inputs(), groups)
