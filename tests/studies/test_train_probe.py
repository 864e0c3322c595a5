"""A training whose head begins as a logistic regression."""

import numpy as np
import pytest

import shiftgauge
from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import ConfigError
from shiftgauge.studies import train_probe
from shiftgauge.studies.train_options import NetworkChoice

SHORT = {
    "epochs": 1,
    "precision": "float32",
    "frozen_statistics": True,
    "optimizer": {"kind": "sgd", "learning_rate": 1e-9, "weight_decay": 0},
}


def images(n=60):
    """Noise whose level says the class."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 80, (n, 16, 16)) + 60 * (np.arange(n) % 3)[:, None, None]
    return from_arrays(pixels.astype(np.uint8), [f"level {k % 3}" for k in range(n)])


def trained(folder, head, **more):
    choice = NetworkChoice(architecture="test_resnet", size=16, head=head)
    return shiftgauge.train(choice, images(), out=folder, options=SHORT, device="cpu", progress=False, **more)


def test_a_head_that_was_probed_knows_the_classes_before_any_training(tmp_path):
    known, blind = (trained(tmp_path / head, head) for head in ("linear_probe", "random"))
    loss = [float(result.arrays["history_loss"][0]) for result in (known, blind)]
    assert loss[0] < 0.6 < 1.0 < loss[1]
    assert "begins as a logistic regression" in known.arrays.attrs["network_notes"]
    assert "logistic" not in blind.arrays.attrs["network_notes"]
    assert known.config["model"]["head"] == "linear_probe"


def test_the_regression_is_worked_out_once_for_a_training(tmp_path, monkeypatch):
    first = trained(tmp_path, "linear_probe")

    def refuse(*given, **more):
        raise AssertionError("worked out again")

    monkeypatch.setattr(train_probe, "linear_probe", refuse)
    again = trained(tmp_path, "linear_probe")
    assert again.provenance["hashes"]["weights"] == first.provenance["hashes"]["weights"]
    (tmp_path / "training" / "linear_probe.npz").write_bytes(b"damaged")
    with pytest.raises(AssertionError, match="worked out again"):
        trained(tmp_path, "linear_probe")


def test_an_unknown_head_is_refused():
    with pytest.raises(ConfigError, match="head"):
        NetworkChoice(architecture="test_resnet", head="probe")
