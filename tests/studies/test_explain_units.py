"""Units from plain values: what is wrong is named."""

import pytest

from shiftgauge.errors import ConfigError
from shiftgauge.explain.objectives import Neuron
from shiftgauge.studies.explain_units import told_apart, unit_of


def test_a_unit_is_what_its_plain_values_say():
    unit = Neuron(block="stem", index=(1, 2, 3))
    assert unit_of(unit.to_dict()) == unit


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "neuron", "block": "a"}, "needs `index`"),
        ({"kind": "neuron", "block": "a", "index": 1, "channel": 2}, "does not take `channel`"),
        ({"kind": "channel", "block": "a"}, "channel_mean"),
    ],
)
def test_what_is_wrong_with_a_unit_is_named(values, said):
    with pytest.raises(ConfigError, match=said):
        unit_of(values)


def test_no_two_names_are_equal():
    names = ["a", "a (2)", "a", "a"]
    found = told_apart(names)
    assert found[:2] == ["a", "a (2)"]
    assert len(set(found)) == 4
