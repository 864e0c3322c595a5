"""A training whose head begins as a logistic regression."""

import numpy as np
import pytest
import torch

import shiftgauge
from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import ConfigError
from shiftgauge.models.model_folder import load_model_folder
from shiftgauge.studies import train_probe
from shiftgauge.studies.train_options import NetworkChoice

SHORT = {
    "epochs": 1,
    "precision": "float32",
    "frozen_statistics": True,
    "optimizer": {"kind": "sgd", "learning_rate": 1e-9, "weight_decay": 0},
}


def images(n=60, side=16, colours=False):
    """Noise whose level says the class, of each colour its own."""
    rng, shape = np.random.default_rng(0), (n, side, side, *((3,) if colours else ()))
    pixels = rng.integers(0, 80, shape) + 60 * (np.arange(n) % 3).reshape(-1, *(1,) * (len(shape) - 1))
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


@pytest.mark.parametrize(("colours", "channels"), [(False, 1), (False, 3), (True, 3)])
def test_the_head_of_a_vgg_begins_as_a_regression_in_grey_and_in_colours(tmp_path, colours, channels):
    choice = NetworkChoice(
        architecture="vgg11_bn", size=32, channels=channels, head="linear_probe", arguments={"mlp_ratio": 0.01}
    )
    data = images(30, side=32, colours=colours)
    assert data.n_channels == (3 if colours else 1)
    found = shiftgauge.train(choice, data, out=tmp_path, options=SHORT, device="cpu", progress=False)
    network = load_model_folder(tmp_path / "model", torch.device("cpu")).module
    with np.load(tmp_path / "training" / "linear_probe.npz") as probe:
        assert probe["weight_kf"].shape == (3, 4096)
        weight = network.get_submodule("head.fc").weight.detach().numpy()
        np.testing.assert_allclose(weight, probe["weight_kf"], atol=1e-6)
    assert network.get_submodule("features.0").in_channels == channels
    assert "begins as a logistic regression" in found.arrays.attrs["network_notes"]
