import numpy as np
import pytest

from shiftgauge.estimate.assisted import assisted
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.floor import with_floor
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.moments import CARRIERS, carriers
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.space import Space


def heavy(sigma):
    """Space and exact first and total indices of f = a b, a lognormal and b uniform."""
    a, b = np.exp(sigma**2) - 1, 1 / 3
    whole = (1 + a) * (1 + b) - 1
    exact = np.array([a / whole, b / whole, a * (1 + b) / whole, b * (1 + a) / whole])
    return Space.from_dict(
        {"a": {"distribution": "lognormal", "median": 1.0, "sigma": sigma}, "b": {"low": 0, "high": 1}}
    ), exact


def sample(space, n_base, seed):
    design = PickFreezeDesign(inputs=Inputs(space=space), n_base=n_base, seed=seed)
    return design, design.rows(0, design.n_rows).theta


def both(found, suffix="_interval"):
    return np.concatenate([getattr(found, f"first_order{suffix}"), getattr(found, f"total_order{suffix}")], axis=1)


@pytest.mark.parametrize("sigma", [2.0, 2.5])
def test_intervals_hold_where_few_points_carry_a_heavy_tail(sigma):
    space, exact = heavy(sigma)
    held = []
    for seed in range(25):
        design, theta = sample(space, 256, seed)
        found = assisted(design, theta.prod(axis=1)[:, None], outputs=["y"])
        interval = both(found)[0]
        held.append((interval[:, 0] <= exact) & (exact <= interval[:, 1]))
        assert "few_carriers" in [s.code for s in found.status]
    assert np.mean(held) > 0.85  # 0.68 to 0.72 without the floor


def test_floor_widens_the_outputs_in_question_alone_and_moves_no_estimate():
    space, _ = heavy(2.0)
    design, theta = sample(space, 128, 1)
    y = np.column_stack([theta[:, 1], theta.prod(axis=1)])
    found = assisted(design, y, outputs=["even", "heavy"])
    alone = pick_freeze(design, y, outputs=["even", "heavy"])
    width, floor = (np.diff(both(v))[..., 0] for v in (found, alone))
    assert (width[1] >= floor[1] - 1e-12).all()
    assert (width[0] < 0.1 * floor[0].max()).all()
    assert [s.message.split("`")[1] for s in found.status if s.code == "few_carriers"] == ["heavy"]
    again = with_floor(found, pick_freeze(design, y[:, 1:], outputs=["heavy"]), [1])
    np.testing.assert_allclose(both(again), both(found))
    np.testing.assert_array_equal(both(again, ""), both(found, ""))


def test_a_polynomial_needs_no_points_to_carry_it():
    space = Space.from_dict({name: {"distribution": "normal", "mean": 0, "std": 1} for name in "ab"})
    design, theta = sample(space, 128, 0)
    y = theta[:, 0] ** 3 + theta[:, 1]
    assert carriers(y) < CARRIERS
    found = assisted(design, y[:, None], outputs=["y"])
    assert not found.status
    assert np.diff(both(found)).max() < 1e-6
    assert [s.code for s in pick_freeze(design, y, outputs=["y"]).status][-1] == "few_carriers"
