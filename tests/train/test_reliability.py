import json

import numpy as np
import pytest
import torch

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.train.reliability import reliability

prepare_torchvision()
torchmetrics = pytest.importorskip("torchmetrics.functional.classification", reason="needs the extra `train`")


def _single(n=500, k=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(k, 0.6), n), rng.integers(0, k, n)


def _multi(n=500, k=3, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.random((n, k))
    return p, (rng.random((n, k)) < p**2).astype(int)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_calibration_error_of_the_decided_class_is_that_of_torchmetrics(bins):
    p, y = _single()
    found = reliability(p, y, "single", bins=bins)
    expected = torchmetrics.multiclass_calibration_error(
        torch.from_numpy(p), torch.from_numpy(y), num_classes=4, n_bins=bins, norm="l1"
    )
    assert len(found) == 1
    assert found[0].expected_calibration_error == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize(("norm", "name"), [("l1", "expected_calibration_error"), ("max", "largest_calibration_error")])
def test_calibration_error_of_a_label_is_that_of_torchmetrics(norm, name):
    p, y = _multi()
    for k, diagram in enumerate(reliability(p, y, "multi")):
        expected = torchmetrics.binary_calibration_error(
            torch.tensor(p[:, k].copy()), torch.tensor(y[:, k].copy()), n_bins=15, norm=norm
        )
        assert getattr(diagram, name) == pytest.approx(float(expected), abs=1e-6)


def test_every_image_lies_in_one_bin_and_ends_of_bins_belong_to_the_upper_one():
    p = np.array([0.0, 0.25, 0.5, 0.75, 1.0])[:, None]
    diagram = reliability(p, np.ones_like(p), "multi", bins=4)[0]
    assert diagram.count.tolist() == [1, 1, 1, 2]
    assert diagram.frequency.tolist() == [1, 1, 1, 1]


def test_an_empty_bin_is_nan_and_counts_nothing():
    diagram = reliability(np.full((4, 1), 0.9), np.array([[1], [1], [1], [0]]), "multi", bins=2, class_names=["a"])[0]
    assert np.isnan(diagram.frequency[0])
    assert np.isnan(diagram.low[0])
    assert diagram.expected_calibration_error == pytest.approx(0.15)
    assert diagram.name == "a"


def test_probabilities_that_come_true_as_said_have_little_error():
    rng = np.random.default_rng(1)
    p = rng.random((200_000, 1))
    diagram = reliability(p, (rng.random(p.shape) < p).astype(int), "multi")[0]
    assert diagram.expected_calibration_error < 0.005
    assert (diagram.low <= diagram.frequency).all()
    assert (diagram.frequency <= diagram.high).all()


def test_diagrams_are_plain_values():
    p, y = _multi()
    assert len(json.loads(json.dumps([d.to_dict() for d in reliability(p, y, "multi")]))) == 3


def test_input_that_does_not_fit_is_refused():
    p, y = _single()
    with pytest.raises(DataError, match="classes must have shape"):
        reliability(p, y[:-1], "single")
    with pytest.raises(DataError, match="must lie in 0 … 3"):
        reliability(p, y + 1, "single")
    with pytest.raises(DataError, match="1 names for 3 labels"):
        reliability(*_multi(), "multi", class_names=["a"])
    with pytest.raises(ConfigError, match="`bins`"):
        reliability(p, y, "single", bins=0)
