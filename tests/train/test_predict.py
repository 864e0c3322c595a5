import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import nn

from shiftgauge.errors import ConfigError, ModelError, NumericalError
from shiftgauge.models.model_folder import load_model_folder, write_model_folder
from shiftgauge.models.model_record import ModelRecord, NetworkOptions
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.train.averaging import AveragingOptions
from shiftgauge.train.decisions import decide
from shiftgauge.train.images import HeldPixels, Part
from shiftgauge.train.metrics import classification_metrics
from shiftgauge.train.predict import predict_logits, predict_probabilities, probabilities
from shiftgauge.train.thresholds import choose_thresholds

SHAPE = (3, 6, 6)
PREPROCESSING = Preprocessing(height=6, width=6, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))


def _part(n=11, task="single", k=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, *SHAPE), generator=g, dtype=torch.uint8)
    targets = torch.randint(0, k, (n,), generator=g)
    if task == "multi":
        targets = (torch.rand(n, k, generator=g) < 0.4).float()
    return Part(pixels=HeldPixels(images), targets=targets, names=tuple(f"image {i}" for i in range(n)))


def _network(k=3, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, k))


@pytest.mark.parametrize("batch_size", [1, 4, 11, 50])
def test_logits_are_those_of_the_network_in_evaluation_mode_whatever_the_batch(batch_size):
    network, part = _network().train(), _part()
    found = predict_logits(network, part, PREPROCESSING, batch_size=batch_size, device="cpu")
    plain = _network().eval()
    with torch.no_grad():
        expected = plain(PREPROCESSING.normalise(part.pixels.batch(range(11)))).double().numpy()
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_network_is_left_as_it_was():
    network = _network().train()
    network[1].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    predict_logits(network, _part(), PREPROCESSING, device="cpu")
    assert [module.training for module in network] == [True, False, True, True, True]
    assert network.training
    assert all(bool((value == before[name]).all()) for name, value in network.state_dict().items())


def test_probabilities_are_softmax_or_sigmoid_of_logits_over_temperature():
    z = np.random.default_rng(0).normal(0, 3, (7, 4))
    np.testing.assert_allclose(probabilities(z, "single", 2.5).sum(axis=1), 1)
    expected = torch.softmax(torch.from_numpy(z) / 2.5, dim=1).numpy()
    np.testing.assert_allclose(probabilities(z, "single", 2.5), expected, rtol=1e-12)
    np.testing.assert_allclose(probabilities(z, "multi", 0.5), expit(2 * z), rtol=1e-12)


def test_probabilities_of_huge_logits_are_finite():
    for task in ("single", "multi"):
        assert np.isfinite(probabilities([[1e30, -1e30]], task)).all()


@pytest.mark.parametrize("task", ["single", "multi"])
def test_averaged_probabilities_are_the_mean_over_views(task):
    network, part = _network(), _part(task=task)
    options = AveragingOptions(flips=("horizontal", "vertical"))
    found = predict_probabilities(
        network, part, PREPROCESSING, temperature=1.7, averaging=options, batch_size=4, device="cpu"
    )
    views = []
    for axes in ((), (3,), (2,)):
        turned = HeldPixels(part.pixels.bytes_nchw.flip(axes) if axes else part.pixels.bytes_nchw)
        seen = Part(pixels=turned, targets=part.targets, names=part.names)
        views.append(probabilities(predict_logits(network, seen, PREPROCESSING, device="cpu"), task, 1.7))
    np.testing.assert_allclose(found, np.mean(views, axis=0), atol=1e-6)


@pytest.mark.parametrize("averaging", [None, AveragingOptions()])
def test_without_views_probabilities_are_the_plain_ones(averaging):
    network, part = _network(), _part(task="multi")
    found = predict_probabilities(network, part, PREPROCESSING, temperature=3.0, averaging=averaging, device="cpu")
    logits = predict_logits(network, part, PREPROCESSING, device="cpu")
    np.testing.assert_array_equal(found, probabilities(logits, "multi", 3.0))


def test_progress_counts_every_image():
    told = []
    predict_logits(
        _network(), _part(), PREPROCESSING, batch_size=4, device="cpu", progress=lambda done, n: told.append((done, n))
    )
    assert told == [(4, 11), (8, 11), (11, 11)]


def test_a_logit_that_is_not_finite_names_the_image():
    class Broken(nn.Module):
        def forward(self, images):
            logits = images.flatten(1)[:, :2].clone()
            logits[-1] = torch.nan
            return logits

    with pytest.raises(NumericalError, match="first for `image 3`"):
        predict_logits(Broken(), _part(), PREPROCESSING, batch_size=4, device="cpu")
    with pytest.raises(NumericalError, match="cannot be averaged"):
        predict_probabilities(
            Broken(), _part(), PREPROCESSING, averaging=AveragingOptions(flips=("vertical",)), device="cpu"
        )


def test_outputs_of_another_shape_are_refused():
    with pytest.raises(ModelError, match=r"must give logits of shape \(11, K\), got \(11, 3, 6, 6\)"):
        predict_logits(nn.Identity(), _part(), PREPROCESSING, device="cpu")


def test_options_outside_their_range_are_refused():
    with pytest.raises(ConfigError, match="`batch_size` must be a whole number ≥ 1"):
        predict_logits(_network(), _part(), PREPROCESSING, batch_size=0, device="cpu")
    with pytest.raises(ConfigError, match="`temperature`"):
        probabilities([[0.0, 0.0]], "single", 0.0)
    with pytest.raises(ConfigError, match="unknown task"):
        probabilities([[0.0, 0.0]], "both")


def test_a_model_folder_decides_as_the_probabilities_and_thresholds_that_it_was_written_with(tmp_path):
    part = _part(n=40, task="multi")
    architecture = NetworkOptions(name="resnet18_small", n_classes=3)
    network = architecture.build().network.eval()
    preprocessing = Preprocessing(height=32, width=32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    images = torch.randint(0, 256, (40, 3, 32, 32), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
    part = Part(pixels=HeldPixels(images), targets=part.targets, names=part.names)
    p = predict_probabilities(network, part, preprocessing, temperature=0.7, batch_size=16, device="cpu")
    chosen = choose_thresholds(p, part.targets.numpy())
    record = ModelRecord(
        architecture=architecture,
        task="multi",
        classes=("a", "b", "c"),
        preprocessing=preprocessing,
        thresholds=chosen.values,
        temperature=0.7,
        averaging=tuple(AveragingOptions(flips=("vertical",)).to_list()),
        metrics=classification_metrics("multi", p, part.targets.numpy(), ("a", "b", "c"), resamples=10).to_dict(),
    )
    folder = write_model_folder(tmp_path / "model", network, record)
    loaded = load_model_folder(folder, "cpu")
    outputs = loaded.outputs(loaded.prepare(part.pixels.batch(range(40)))).numpy()
    np.testing.assert_allclose(outputs, p, atol=1e-5)
    np.testing.assert_array_equal(
        decide(outputs, "multi", thresholds=chosen.values), decide(p, "multi", thresholds=chosen.values)
    )
