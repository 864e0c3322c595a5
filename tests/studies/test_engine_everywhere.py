"""A network of the engine audited, explained and attacked beside its PyTorch twin."""

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.attack.budget import Budget
from shiftgauge.attack.fgsm import FGSM
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.pgd import PGD
from shiftgauge.data.arrays import from_arrays
from shiftgauge.engine.network import Network
from shiftgauge.engine.networks import glass_layers
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.maximize import maximize
from shiftgauge.explain.perturbation import perturbation_maps
from shiftgauge.explain.pixel_bounds import PixelBoundOptions, pixel_bounds
from shiftgauge.models.engine_convert import to_torch
from shiftgauge.models.engine_module import TwoClasses, engine_classifier
from shiftgauge.models.load import load_model
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.studies.audit import audit
from shiftgauge.studies.train import train

LOOK = Preprocessing(height=16, width=16, channels=1, mean=(0.5,), std=(0.25,))


@pytest.fixture(scope="module")
def pair():
    network = Network(glass_layers(side=16), input_shape=(1, 16, 16), seed=3)
    ours = engine_classifier(network, preprocessing=LOOK, classes=("good", "defect"))
    module = nn.Sequential(to_torch(network.layers), TwoClasses())
    twin = TorchClassifier(module, preprocessing=LOOK, device=torch.device("cpu"), classes=("good", "defect"))
    return ours, twin


@pytest.fixture(scope="module")
def images():
    return torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(2))


def test_it_is_audited_like_its_twin(pair):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 16, 16), dtype=np.uint8)
    data = from_arrays(pixels, ["good", "defect"] * 3)
    space = {"rotation": [-20, 20], "exposure": [-0.5, 0.5]}
    first, second = (audit(model, data, space, n_base=32, resamples=20, progress=False) for model in pair)
    one, other = (result.to_dataframe().select_dtypes("number") for result in (first, second))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_its_blocks_are_pushed_like_those_of_its_twin(pair, images):
    blocks = ("0.0", "0.3", "0.6", "0.13")
    first, second = (perturbation_maps(model, images[:1], blocks=blocks) for model in pair)
    np.testing.assert_allclose(first.block_norm, second.block_norm, rtol=1e-5)
    size = second.block_norm[:, :, None, None, None]  # differences are as exact as what they are taken of
    np.testing.assert_allclose(first.norm_of_difference / size, second.norm_of_difference / size, rtol=0, atol=1e-5)


def test_its_classes_are_raised_like_those_of_its_twin(pair, images):
    options = ActivationMaximization(steps=5)
    first, second = (maximize(model, ["good", "defect"], start=images[:2], options=options) for model in pair)
    np.testing.assert_allclose(first.images, second.images, rtol=0, atol=1e-5)


def test_its_pixels_are_bounded_like_those_of_its_twin(pair, images):
    options = PixelBoundOptions(n=64)
    first, second = (pixel_bounds(model, images[:1], options=options) for model in pair)
    np.testing.assert_allclose(first.bound, second.bound, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("attack", [FGSM(), PGD(steps=5)], ids=["fgsm", "pgd"])
def test_it_is_attacked_like_its_twin(pair, images, attack):
    budget = Budget(epsilon=0.03, bounds=(0, 1))
    first, second = (attack_images(model, images, ["good", "defect", "good"], attack, budget) for model in pair)
    np.testing.assert_allclose(first.images, second.images, rtol=0, atol=1e-5)
    assert first.success.tolist() == second.success.tolist()


def test_it_is_trained_by_its_own_gradients(tmp_path):
    rng, labels = np.random.default_rng(1), ["good", "defect"] * 30
    bright = np.array([90 * (label == "defect") for label in labels])[:, None, None]
    data = from_arrays((rng.random((60, 16, 16)) * 100 + bright).astype(np.uint8), labels)
    network = {"architecture": "engine", "size": 16, "channels": 1, "arguments": {"height": 16, "width": 16}}
    options = {"epochs": 4, "sampling": {"batch_size": 12}, "optimizer": {"learning_rate": 2e-3}}
    result = train(network, data, out=tmp_path / "run", options=options, device="cpu", progress=False)
    model = load_model({"kind": "folder", "path": str(result.model_folder)})
    assert [type(part).__name__ for part in model.module[0][:2]] == ["EngineLayer", "EngineLayer"]
    losses = result.history["train_loss"]
    assert losses.iloc[-1] < 0.5 * losses.iloc[0]
