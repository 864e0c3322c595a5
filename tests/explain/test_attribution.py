"""Attributions against closed forms, autograd, slow loops and a plain Grad-CAM; what must not change does not."""

import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from fakes import MeanClassifier
from shiftgauge.errors import ConfigError, DataError, MissingExtraError, ModelError
from shiftgauge.explain.attribution import attribute
from shiftgauge.explain.attribution_options import AttributionOptions
from shiftgauge.explain.cam_layer import cam_layer
from shiftgauge.models.compat import prepare_torchvision
from small_networks import ConvNet, held, left_as_it_was, linear, wrap

METHODS = ("saliency", "input_x_gradient", "integrated_gradients", "smooth_grad", "grad_cam", "occlusion")
NAMES = ("good", "scratch", "stain", "dent")
QUICK = AttributionOptions(steps=8, samples=5, window_px=3, stride_px=2)


def pictures(n=3, shape=(3, 8, 8)):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


def gradient(net, x, place):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(net.eval()(x)[:, place].sum(), x)[0]


@pytest.mark.parametrize(("scale", "factor"), [("input", 1.0), ("pixel", 1 / 0.25)])
def test_linear_network_has_closed_forms(scale, factor):
    net = linear()
    classifier, images = wrap(net, mean=0.5, std=0.25), pictures()
    options = AttributionOptions(scale=scale, steps=2, samples=3, window_px=1, stride_px=1)
    weights = net[1].weight[1].reshape(3, 8, 8).detach().numpy() * factor
    x = (images if scale == "pixel" else (images - 0.5) / 0.25).numpy()
    zero = 0 if scale == "pixel" else -2
    found = {method: attribute(classifier, images, 1, method=method, options=options) for method in METHODS[:4]}
    np.testing.assert_allclose(found["saliency"].values, np.abs(weights) + 0 * x, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["smooth_grad"].values, weights + 0 * x, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["input_x_gradient"].values, weights * x, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["integrated_gradients"].values, weights * (x - zero), rtol=1e-4, atol=1e-6)
    assert np.abs(found["integrated_gradients"].completeness_error).max() < 1e-4
    painted = attribute(classifier, images, 1, method="occlusion", options=options)
    np.testing.assert_allclose(painted.values[:, 0], (weights * (x - zero)).sum(axis=1), rtol=1e-3, atol=1e-4)


def test_gradients_are_those_of_autograd():
    net, images = ConvNet(), pictures()
    x = (images - 0.5) / 0.5
    slopes = gradient(net, x, 2).numpy()
    found = attribute(wrap(net, classes=NAMES), images, "stain", method="saliency")
    np.testing.assert_allclose(found.values, np.abs(slopes), rtol=1e-3, atol=1e-6)
    assert found.targets == ("stain",) * 3
    np.testing.assert_allclose(found.maps(), np.abs(slopes).sum(axis=1), rtol=1e-3, atol=1e-5)


def test_integral_is_that_of_a_fine_sum_and_says_how_complete_it_is():
    net, images = ConvNet(), pictures(2)
    classifier = wrap(net)
    found = attribute(classifier, images, 0, options=AttributionOptions(steps=200, baseline="mean"))
    x = (images - 0.5) / 0.5
    base = x.mean(dim=(2, 3), keepdim=True).expand_as(x)
    points = [gradient(net, base + (k + 0.5) / 400 * (x - base), 0) for k in range(400)]
    oracle = (torch.stack(points).mean(dim=0) * (x - base)).numpy()
    np.testing.assert_allclose(found.values, oracle, rtol=0.05, atol=0.02 * np.abs(oracle).max())
    with torch.no_grad():
        change = (net(x) - net(base))[:, 0].numpy()
    np.testing.assert_allclose(found.output_change, change, atol=1e-4)
    np.testing.assert_allclose(found.values.sum(axis=(1, 2, 3)) - change, found.completeness_error, atol=1e-4)
    rough = attribute(classifier, images, 0, options=AttributionOptions(steps=1, baseline="mean"))
    assert np.abs(rough.completeness_error).max() > np.abs(found.completeness_error).max()


def test_occlusion_is_that_of_a_slow_loop():
    net, images = ConvNet(), pictures(2)
    found = attribute(wrap(net), images, [1, 3], method="occlusion", options=QUICK)
    x = (images - 0.5) / 0.5
    total, covered = np.zeros((2, 8, 8)), np.zeros((8, 8))
    with torch.no_grad():
        plain = net.eval()(x)
        for i in range(0, 7, 2):
            for j in range(0, 7, 2):
                painted = x.clone()
                painted[:, :, i : i + 3, j : j + 3] = -1
                drop = plain - net(painted)
                for n, place in enumerate([1, 3]):
                    total[n, i : i + 3, j : j + 3] += drop[n, place].item()
                covered[i : i + 3, j : j + 3] += 1
    assert covered.min() > 0
    np.testing.assert_allclose(found.values[:, 0], total / covered, atol=1e-5)


@pytest.mark.parametrize("layer", ["norm", "stem", None])
def test_grad_cam_is_a_plain_one_also_before_a_layer_that_writes_in_place(layer):
    net, images = ConvNet().eval(), pictures()
    found = attribute(wrap(net), images, 1, method="grad_cam", layer=layer)
    assert found.layer == (layer or "block")
    x = (images - 0.5) / 0.5
    parts = [net.stem, net.norm, functional.relu, lambda v: functional.relu(net.block[0](v))]
    values = x
    for name, part in zip(["stem", "norm", "relu", "block"], parts, strict=True):
        values = part(values)
        if name == found.layer:
            kept = values.detach().requires_grad_()
            values = kept
    logits = net.head(values.mean(dim=(2, 3)))
    slopes = torch.autograd.grad(logits[:, 1].sum(), kept)[0]
    cam = functional.relu((slopes.mean(dim=(2, 3), keepdim=True) * kept).sum(dim=1, keepdim=True))
    small = attribute(wrap(net), images, 1, method="grad_cam", layer=layer, options=AttributionOptions(enlarge=False))
    np.testing.assert_allclose(small.values, cam.detach().numpy(), rtol=1e-4, atol=1e-6)
    oracle = functional.interpolate(cam, (8, 8), mode="bilinear").detach().numpy()
    assert oracle.max() > 0
    np.testing.assert_allclose(found.values, oracle, rtol=1e-4, atol=1e-6)


def test_smooth_grad_is_captums_noise_tunnel_on_average():
    from captum.attr import NoiseTunnel, Saliency

    net, images = ConvNet(channels=1), pictures(1, (1, 8, 8))
    classifier = wrap(net, (1, 8, 8), mean=0.5, std=0.5)
    options = AttributionOptions(samples=400, noise=0.05)
    found = attribute(classifier, images, 0, method="smooth_grad", options=options)
    x = ((images - 0.5) / 0.5).requires_grad_()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tunnel = NoiseTunnel(Saliency(net.eval())).attribute(x, nt_samples=400, stdevs=0.1, target=0, abs=False)
    assert np.corrcoef(found.values.ravel(), tunnel.detach().numpy().ravel())[0, 1] > 0.98
    other = attribute(classifier, images, 0, method="smooth_grad", options=AttributionOptions(samples=4, seed=1))
    again = attribute(classifier, images, 0, method="smooth_grad", options=AttributionOptions(samples=4, seed=1))
    assert np.array_equal(other.values, again.values)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("channels", [1, 3])
def test_batches_change_rounding_alone(method, channels):
    shape = (channels, 8, 8)
    images, seen = pictures(5, shape), []
    classifier = wrap(ConvNet(channels=channels), shape)
    torch.manual_seed(7)
    stream = torch.get_rng_state()
    one = attribute(classifier, images, [0, 1, 2, 3, 0], method=method, options=QUICK, batch_size=1)
    many = attribute(
        classifier, images, [0, 1, 2, 3, 0], method=method, options=QUICK, progress=lambda i, n: seen.append((i, n))
    )
    np.testing.assert_allclose(one.values, many.values, atol=1e-5 * max(1.0, np.abs(one.values).max()))
    assert many.values.shape == (5, 1 if method in ("grad_cam", "occlusion") else channels, 8, 8)
    assert many.values.dtype == np.float32
    assert seen[-1] == (5, 5)
    assert torch.equal(torch.get_rng_state(), stream)
    assert many.dataset()["attribution"].dims == ("image", "channel", "y", "x")
    assert many.cost["evaluations"] >= 5


def test_gradients_are_counted_without_the_passes_that_check_the_sum():
    options = AttributionOptions(steps=10)
    found = attribute(wrap(ConvNet()), pictures(1, (3, 8, 8)), 0, method="integrated_gradients", options=options)
    assert (found.cost["gradients"], found.cost["evaluations"]) == (10, 12)


@pytest.mark.parametrize("make", [ConvNet, held])
@pytest.mark.parametrize("method", METHODS)
def test_the_network_is_left_as_it_was(make, method):
    net = make()
    classifier = wrap(net)
    assert (classifier.module is net) == (make is held)
    with left_as_it_was(net), left_as_it_was(classifier.module):
        attribute(classifier, pictures(2), 1, method=method, options=QUICK)


def test_without_targets_the_class_is_what_the_network_says():
    classifier = wrap(ConvNet(), classes=NAMES)
    found = attribute(classifier, pictures(), method="saliency")
    assert found.places.tolist() == classifier.outputs(pictures()).argmax(dim=1).tolist()


def test_what_does_not_exist_is_named():
    classifier, images = wrap(ConvNet(), classes=NAMES), pictures()
    with pytest.raises(ConfigError, match="did you mean `stain`"):
        attribute(classifier, images, "stian")
    with pytest.raises(ConfigError, match="below 4"):
        attribute(classifier, images, 4)
    with pytest.raises(ConfigError, match="one for each of the 3 images, got 2"):
        attribute(classifier, images, [0, 1])
    with pytest.raises(ConfigError, match="did you mean `saliency`"):
        attribute(classifier, images, 0, method="salency")
    with pytest.raises(ModelError, match="did you mean `block`"):
        attribute(classifier, images, 0, method="grad_cam", layer="blok")
    with pytest.raises(ModelError, match="gives a map"):
        attribute(classifier, images, 0, method="grad_cam", layer="head")
    with pytest.raises(ConfigError, match="belongs to `grad_cam`"):
        attribute(classifier, images, 0, method="saliency", layer="block")
    with pytest.raises(DataError, match=r"\(N, 3, 8, 8\)"):
        attribute(classifier, pictures(shape=(3, 9, 8)), 0)
    with pytest.raises(DataError, match="at least one"):
        attribute(classifier, pictures(0), 0)
    with pytest.raises(ModelError, match="no convolution"):
        attribute(wrap(linear()), images, 0, method="grad_cam")


def test_a_classifier_without_gradients_is_refused():
    with pytest.raises(ModelError, match="gives no gradients"):
        attribute(MeanClassifier(), pictures(), 0)


def test_without_captum_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(MissingExtraError, match=r"shiftgauge\[explain\]"):
        attribute(wrap(linear()), pictures(), 0)


@pytest.mark.parametrize(
    "wrong",
    [{"scale": "grey"}, {"baseline": "white"}, {"blur_px": 0}, {"steps": 0}, {"samples": 0}, {"noise": -1},
     {"window_px": 0}, {"window_px": 2, "stride_px": 3}, {"seed": -1}],
)  # fmt: skip
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(reversed(wrong))):
        AttributionOptions(**wrong)


def test_a_window_larger_than_the_image_is_refused():
    with pytest.raises(ConfigError, match="at most 8"):
        attribute(wrap(linear()), pictures(), 0, method="occlusion", options=AttributionOptions(window_px=9))


def test_the_layer_of_grad_cam_is_the_last_stage_in_front_of_the_pooling():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2, self.relu = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()

        def forward(self, x):
            return self.relu(x + self.conv2(self.relu(self.conv1(x))))

    vgg = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4),
        nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(4, 2),
    )  # fmt: skip
    resnet = nn.Sequential()
    for name, part in (
        ("stem", nn.Conv2d(3, 4, 3)), ("layer1", nn.Sequential(Residual())), ("pool", nn.AdaptiveAvgPool2d(1)),
        ("narrow", nn.Conv2d(4, 4, 1)), ("flat", nn.Flatten()), ("head", nn.Linear(4, 2)),
    ):  # fmt: skip
        resnet.add_module(name, part)
    assert cam_layer(wrap(vgg), pictures()) == "5"
    assert cam_layer(wrap(resnet), pictures()) == "layer1"


def test_a_network_whose_convolutions_stand_in_front_has_no_layer_for_grad_cam():
    prepare_torchvision()
    import timm

    vit = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, num_classes=3)
    classifier, images = wrap(vit, (3, 32, 32)), pictures(1, (3, 32, 32))
    with pytest.raises(ModelError, match=r"`patch_embed.proj` is layer 1 of .* leave Grad-CAM out"):
        attribute(classifier, images, 0, method="grad_cam")
    assert attribute(classifier, images, 0, method="grad_cam", layer="patch_embed.proj").maps().shape == (1, 32, 32)
    assert attribute(classifier, images, 0, method="saliency").values.any()


def test_heads_of_several_layers_do_not_count_as_depth():
    lenet = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 8), nn.ReLU(), nn.Linear(8, 8), nn.Linear(8, 2)
    )
    assert cam_layer(wrap(lenet), pictures()) == "1"
