"""Attacks by name."""

import pytest

from shiftgauge.attack.kinds import (
    APGD,
    ATTACKS,
    BIM,
    FGSM,
    PGD,
    GaussianNoise,
    MomentumFGSM,
    Square,
    UniformNoise,
    attack_from_dict,
    attack_to_dict,
)
from shiftgauge.errors import ConfigError

EACH = (
    FGSM(loss="margin"),
    BIM(steps=3),
    PGD(steps=3, restarts=2),
    MomentumFGSM(decay=0.5),
    APGD(steps=3, loss="dlr", target_classes=2),
    Square(queries=4),
    UniformNoise(),
    GaussianNoise(),
)


def test_attacks_are_made_from_names_and_options():
    for attack in EACH:
        assert attack_from_dict(attack_to_dict(attack)) == attack
    assert set(ATTACKS) == {a.name for a in EACH}
    with pytest.raises(ConfigError, match="did you mean `pgd`"):
        attack_from_dict({"name": "pdg"})
    with pytest.raises(ConfigError, match="did you mean `steps`"):
        attack_from_dict({"name": "pgd", "step": 3})
