"""Signs of masked gradients are told where the interval shows them, and not where chance may have made them."""

from dataclasses import replace
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
    chosen = options(
        **{"attacks": ATTACKS, "snr_db": (40.0, 30.0), "shifts": (), "pictures": None, "bounds": (0, 1)} | changed
    )
    intervals = SimpleNamespace(
        paired=lambda a, b, of=1: paired_difference(a, b, confidence_level=min(0.999, 1 - 0.05 / of))
    )
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
    rows = [r for r in base() if r.way != "noise"] + [row("noise", 20, 40.0, snr=35.0), row("noise", 5, 30.0, snr=20.0)]
    assert codes(rows) == {}


def test_an_attack_that_leaves_its_ball_unused_is_not_excused_for_being_quieter():
    rows = [r for r in base() if r.way != "pgd"] + [row("pgd", 150, 40.0, snr=43.0), row("pgd", 100, 30.0, snr=32.0)]
    assert {"iterated_weaker", "gradient_free_stronger"} <= set(codes(rows))


def test_the_most_telling_of_many_comparisons_of_chance_is_no_sign():
    told, asked = 0, tuple(np.linspace(60.0, 20.0, 8))
    rng = np.random.default_rng(0)
    for _ in range(60):
        rows = [row(way, 0, at) for way in ("fgsm", "pgd", "square") for at in asked]
        rows = [replace(r, right=rng.random(N) < 0.5) for r in rows]  # all attacks equally strong at every budget
        told += bool(codes(rows, snr_db=asked))
    assert told <= 9  # three signs of 5 % each; without the correction it is nearly every time


def test_zero_gradients_are_told_by_their_share():
    assert codes([*base(), row("fgsm", 100, 50.0, flat=2)]) == {"zero_gradient": "caution"}
    assert codes([*base(), row("fgsm", 100, 50.0, flat=80)]) == {"zero_gradient": "alarm"}


def test_transfer_that_is_stronger_is_an_alarm():
    axes = ("attack", "budget", "source", "target")

    def matrix(made_elsewhere):
        counts = np.array([[60, made_elsewhere], [120, 100]])  # of images made on `m` and `o`, by target
        right = (np.arange(N) < counts[..., None])[None, None]
        gap = np.zeros((3, 1, 1, 2, 2))
        for s, t in ((0, 1), (1, 0)):
            found = paired_difference(right[0, 0, s, t], right[0, 0, t, t])
            gap[:, 0, 0, s, t] = found.difference, found.low, found.high
        return xr.Dataset(
            {"transfer_difference": (axes, gap[0]), "transfer_difference_high": (axes, gap[2]),
             "transfer_right": ((*axes, "image"), right.astype(np.int8))},
            {"attack": ["pgd"], "budget": [40.0], "source": ["m", "o"], "target": ["m", "o"]},
        )  # fmt: skip

    assert codes(base(), matrix(60)) == {"transfer_stronger": "alarm"}
    assert codes(base(), matrix(98)) == {}


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
