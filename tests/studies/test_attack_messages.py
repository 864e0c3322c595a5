"""Signs of masked gradients are told where the interval shows them, and not where chance may have made them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr

from attack_runs import data, options, run
from explain_runs import ConvNet, wrap
from shiftgauge.attack.fgsm import FGSM
from shiftgauge.attack.noise import UniformNoise
from shiftgauge.attack.pgd import PGD
from shiftgauge.attack.square import Square
from shiftgauge.estimate.proportion import paired_difference
from shiftgauge.results.status import Message
from shiftgauge.studies.attack_arrays import Row
from shiftgauge.studies.attack_messages import find_attack_messages

ATTACKS = {"fgsm": FGSM(), "pgd": PGD(), "square": Square(), "noise": UniformNoise()}
N = 200


def row(way, right, asked=40.0, snr=None, flat=0):
    """A row of the model `m` that is right about the first so many images."""
    kind = "noise" if way == "noise" else "attack"
    known = np.arange(N) < right
    return Row(model="m", way=way, kind=kind, level=0.01, unit="", asked=asked, set_snr=asked if snr is None else snr,
               image_snr=np.full(N, asked), right=known, zero_gradient=flat)  # fmt: skip


def codes(rows, arrays=None, told=(), **changed):
    """Level of each message by its code."""
    known = xr.Dataset({"clean_accuracy_low": ("model", [0.9])}, {"model": ["m"], "image": range(N)},
                       {"asked_as": "snr_db", "n_classes": 4, "images_in_data": N})  # fmt: skip
    chosen = options(attacks=ATTACKS, snr_db=(40.0, 30.0), shifts=(), pictures=None, bounds=(0, 1), **changed)
    intervals = SimpleNamespace(paired=paired_difference)
    given = known if arrays is None else known.merge(arrays)
    found = find_attack_messages(given.assign_attrs(known.attrs), rows, chosen, intervals, (), told)
    return {message.code: message.level for message in found}


def base(**right):
    """Rows of an honest model, with other counts for some."""
    known = {"fgsm": (100, 50), "pgd": (90, 30), "square": (120, 70), "noise": (180, 170)} | right
    return [
        row(way, count, asked) for way, pair in known.items() for count, asked in zip(pair, (40.0, 30.0), strict=True)
    ]


def test_an_honest_model_gives_no_sign():
    assert codes(base()) == {}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"pgd": (150, 100)}, "iterated_weaker"),
        ({"square": (30, 10)}, "gradient_free_stronger"),
        ({"noise": (20, 5)}, "noise_stronger"),
        ({"pgd": (50, 95)}, "accuracy_rises"),
    ],
)
def test_each_sign_is_told(changed, code):
    assert code in codes(base(**changed))


def test_a_difference_within_chance_is_no_sign():
    assert codes(base(pgd=(102, 31))) == {}
    assert codes(base(pgd=(91, 92), fgsm=(100, 93), square=(120, 95))) == {}


def test_a_louder_change_may_do_more():
    rows = [r for r in base() if r.way != "fgsm"] + [row("fgsm", 20, 40.0, snr=35.0), row("fgsm", 5, 30.0, snr=20.0)]
    assert codes(rows) == {}


def test_zero_gradients_are_told_by_their_share():
    assert codes([*base(), row("fgsm", 100, 50.0, flat=2)]) == {"zero_gradient": "caution"}
    assert codes([*base(), row("fgsm", 100, 50.0, flat=80)]) == {"zero_gradient": "alarm"}


def test_transfer_that_is_stronger_is_an_alarm():
    axes = ("attack", "budget", "source", "target")
    gap = np.array([[[[0.0, -0.2], [0.1, 0.0]]]])
    arrays = xr.Dataset(
        {"transfer_difference": (axes, gap), "transfer_difference_high": (axes, gap + 0.05 * (gap != 0))},
        {"attack": ["pgd"], "budget": [40.0], "source": ["m", "o"], "target": ["m", "o"]},
    )
    assert codes(base(), arrays) == {"transfer_stronger": "alarm"}
    arrays["transfer_difference_high"] = arrays["transfer_difference_high"] + 0.2
    assert codes(base(), arrays) == {}


def test_what_attacks_say_of_themselves_is_passed_on():
    told = (Message(level="caution", code="epsilon_beyond_range", text="x"),)
    assert codes(base(), told=told) == {"epsilon_beyond_range": "caution"}


class Quantised(torch.nn.Module):
    """A network whose input is rounded to ten grey levels, so that its gradient is 0 everywhere."""

    def __init__(self):
        super().__init__()
        self.net = ConvNet()

    def forward(self, x):
        return self.net((x * 5).round() / 5)


def test_a_network_that_hides_its_gradient_is_found_out(tmp_path):
    models = {
        "hidden": wrap(Quantised(), classes=("a", "b", "c", "d")),
        "open": wrap(ConvNet(), classes=("a", "b", "c", "d")),
    }
    chosen = options(attacks={"fgsm": FGSM(), "pgd": PGD(steps=3)}, snr_db=(25.0, 15.0), shifts=(), pictures=None)
    found = {m.code: m for m in run(tmp_path / "run", of=models, chosen=chosen, given=data(n=120)).messages}
    assert found["zero_gradient"].level == "alarm"
    assert "“hidden”" in found["zero_gradient"].text
    assert "“hidden” masks" in found["transfer_stronger"].text
