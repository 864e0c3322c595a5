"""Options of attacks: what goes together, in which order, and what is refused."""

import json

import pytest

from shiftgauge.attack.fgsm import FGSM
from shiftgauge.errors import ConfigError
from shiftgauge.studies.attack_gates import AccuracyGate
from shiftgauge.studies.attack_options import AttackOptions, NaturalLevels, PictureOptions


def test_budgets_go_from_the_quietest_to_the_loudest():
    by_ratio = AttackOptions(snr_db=(30, float("inf"), 50))
    assert [budget.snr_db for budget in by_ratio.budgets] == [float("inf"), 50.0, 30.0]
    by_length = AttackOptions(snr_db=None, epsilon=(0.2, 0.0, 0.1), norm="l2")
    assert [budget.epsilon for budget in by_length.budgets] == [0.0, 0.1, 0.2]
    assert (by_ratio.headline_at, by_length.headline_at) == (30.0, 0.2)


def test_transfer_is_for_several_models_without_a_target():
    assert AttackOptions().wants_transfer(2)
    assert not AttackOptions().wants_transfer(1)
    assert not AttackOptions(transfer=False).wants_transfer(2)
    assert not AttackOptions(target="b").wants_transfer(2)
    assert not AttackOptions(success_only=True).wants_transfer(2)


def test_options_are_plain_values_in_the_record():
    options = AttackOptions(snr_db=(float("inf"), 40), shifts=(NaturalLevels(name="brightness", levels=(0.5,)),))
    plain = json.loads(json.dumps(options.to_dict(), allow_nan=False))
    assert plain["snr_db"] == ["inf", 40.0]
    assert plain["attacks"]["pgd"]["name"] == "pgd"
    assert plain["shifts"] == [{"name": "brightness", "levels": [0.5], "beside": {}}]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"epsilon": (0.1,)}, "either `snr_db` or `epsilon`"),
        ({"snr_db": None}, "either `snr_db` or `epsilon`"),
        ({"attacks": {}}, "nothing to do"),
        ({"snr_db": (40, 40)}, "twice"),
        ({"snr_db": ()}, "at least one value"),
        ({"snr_db": (40,), "at": 30}, "`at` must be one of 40"),
        ({"transfer": True, "target": "b"}, "does not go with `target`"),
        ({"transfer": True, "success_only": True}, "does not go with `success_only`"),
        ({"pictures": PictureOptions(ways=("x",))}, "pictures.ways"),
        ({"norm": "l1"}, "norm"),
        ({"unit": "grey"}, "unit"),
        ({"images": 0}, "images"),
        ({"seed": -1}, "seed"),
        ({"confidence_level": 1.0}, "confidence_level"),
        ({"attacks": {"brightness": FGSM()}, "shifts": (NaturalLevels(name="brightness", levels=(1,)),)}, "twice"),
    ],
)
def test_what_does_not_go_together_is_refused(changed, said):
    with pytest.raises(ConfigError, match=said):
        AttackOptions(**changed)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: NaturalLevels(name="brightnes", levels=(1,)), "brightness"),
        (lambda: NaturalLevels(name="brightness", levels=()), "at least one"),
        (lambda: NaturalLevels(name="motion_blur_angle", levels=(1,)), "only qualifies"),
        (lambda: NaturalLevels(name="brightness", levels=(1,), beside={"motion_blur_angle": 1}), "does not qualify"),
        (lambda: PictureOptions(snr_db=()), "at least one ratio"),
        (lambda: PictureOptions(images=0), "images"),
        (lambda: AccuracyGate(accuracy=2, at=40), "accuracy"),
    ],
)
def test_parts_are_checked(make, said):
    with pytest.raises(ConfigError, match=said):
        make()
