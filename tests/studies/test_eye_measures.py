"""What the eye-state study computes from the answers of its networks, against plain counts."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve
from torch import nn

from eye_arrays import FOLDS, GRID, LOST_AT, N, copies, pooled
from shiftgauge.models.lipschitz import lipschitz_bound
from shiftgauge.studies.eye_attacks import FGSM_NAME, PGD_NAME
from shiftgauge.studies.eye_certified import RATIOS, certified_shares
from shiftgauge.studies.eye_compare import loss_arrays, order_arrays, pair_arrays
from shiftgauge.studies.eye_copies import POOLED
from shiftgauge.studies.eye_facts import FALSE_RATES, micro_roc
from shiftgauge.studies.eye_models import SOURCE, UNSCALED, WIDE, WIDE_FGSM, WIDE_PGD
from shiftgauge.studies.eye_pooled import accuracy_arrays, score_arrays
from shiftgauge.studies.eye_recipe import LOUD
from shiftgauge.train.crossval import compare_folds


def test_transfer_and_white_box_stand_side_by_side():
    own, other = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0.9, 0.9, 0.9, 0.85, 0.8, 0.7]
    a = accuracy_arrays(pooled({WIDE_FGSM: own}, {WIDE_FGSM: other})).sel(model=WIDE_FGSM, attack=PGD_NAME)
    np.testing.assert_allclose(a["white"], own, atol=0.5 / N)
    np.testing.assert_allclose(a["overstated"], np.subtract(other, own), atol=1 / N)
    assert (a["overstated_interval"].values[1:, 0] > 0).all()
    assert a["overstated_interval"].values[0].tolist() == [0, 0]
    assert a["white_fold"].shape == (6, FOLDS)
    np.testing.assert_allclose(a["white_fold"].mean("fold"), a["white"])


def test_intervals_draw_persons_and_not_crops():
    """Both eyes of a face answer alike here, so that the interval is that of half as many images."""
    answers = pooled()
    a = accuracy_arrays(answers).sel(model=WIDE, attack=FGSM_NAME, epsilon=LOUD)
    half = float(np.diff(a["white_interval"].values)[0]) / 2
    share, faces = float(a["white"]), N * FOLDS / 2
    assert half == pytest.approx(1.96 * np.sqrt(share * (1 - share) / faces), rel=0.15)


def test_differences_are_those_of_the_first_network():
    answers = pooled({WIDE_PGD: [0.8] * 6})
    clean = {name: answers.right(name, PGD_NAME)[0] for name in answers.models}
    a = score_arrays(answers, clean, LOUD)
    assert float(a["model_score"].sel(model=WIDE_PGD, figure="PGD, white-box")) == pytest.approx(0.8)
    assert float(a["model_difference"].sel(model=WIDE_PGD, figure="PGD, white-box")) == pytest.approx(0.3)
    assert float(a["model_difference"].sel(model=WIDE, figure="accuracy")) == 0


def test_pairs_are_compared_on_the_same_folds():
    a = pair_arrays(pooled({UNSCALED: [0.8] * 6}), [(UNSCALED, WIDE)], 0.25)
    found = a.sel(attack=FGSM_NAME, epsilon=LOUD)
    assert float(found["pair_difference"][0]) == pytest.approx(0.3)
    assert a["pair"].values.tolist() == ["Parseval, unscaled less WRN"]


@pytest.mark.parametrize(("left", "ratio"), [(0.8, 0.25), (0.5, 1.0), (0.9, 0.0)])
def test_what_is_lost_over_what_the_plain_network_loses(left, ratio):
    own = [0.9, 0.9, 0.9, 0.9, left, 0.4]
    a = loss_arrays(pooled({WIDE_PGD: own}), {WIDE_PGD: WIDE}, LOUD)
    assert float(a["loss_ratio"][0]) == pytest.approx(ratio)
    low, high = a["loss_ratio_interval"].values[0]
    assert low <= ratio <= high
    assert a["lost"].values[0].tolist() == pytest.approx([0.9 - left, LOST_AT])


def test_equal_networks_have_no_order():
    a = order_arrays(pooled(), LOUD, 0.25)
    assert a["order_same"].values.tolist() == [0.0] * 8
    assert a["order_sure"].values.tolist() == [0] * 8


def test_the_contrast_of_all_cells_is_that_of_their_means():
    _, a = copies({"fgsm": 0.02})
    of = {kind: a["copies_clean"].values[a["copies_kind"].values == kind] for kind in ("fgsm", "clean")}
    found = compare_folds(of["fgsm"].mean(axis=0), of["clean"].mean(axis=0), test_ratio=0.25)
    told = a.sel(contrast="FGSM copies less clean copies", scope=POOLED)
    assert float(told["contrast_difference"]) == pytest.approx(found.difference)
    np.testing.assert_allclose(told["contrast_difference_interval"], [found.low, found.high])
    assert float(told["contrast_p"]) == pytest.approx(found.p_value)
    assert a["scope"].values.tolist()[1:] == ["50%, ε 0.003", "50%, ε 0.03", "100%, ε 0.003", "100%, ε 0.03"]


def test_the_roc_is_that_of_all_classes_together():
    rng = np.random.default_rng(0)
    probability = rng.dirichlet([1, 1, 1], 400).round(2)
    labels = rng.integers(0, 3, 400)
    x, y, _ = roc_curve(np.eye(3)[labels].ravel(), probability.ravel(), drop_intermediate=False)
    expected = [y[x <= f + 1e-12].max() for f in FALSE_RATES]
    np.testing.assert_allclose(micro_roc(probability, labels), expected)


def test_certified_shares_are_those_of_a_linear_network():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    net[1].weight.data[:] = net[1].weight.data.new_tensor([[1.0, 0, 0, 0], [0, 0, 0, 0]])
    logits = np.array([[0.1, 0.0], [0.5, 0.0], [-0.5, 0.0]])  # the last is wrong
    found = certified_shares(lipschitz_bound(net, (1, 2, 2)), logits, np.array([0, 0, 0]), 1.0)
    reach = 10 ** (-np.array(RATIOS) / 20)
    np.testing.assert_allclose(found, ((reach < 0.1).astype(int) + (reach < 0.5)) / 3)


def test_every_network_has_a_plain_source():
    assert set(SOURCE.values()) == {WIDE, "CNN", UNSCALED}
    assert len(GRID) == 6
