"""Derivative maps equal columns of the Jacobian by reverse mode, and the limit of small pushes."""

import numpy as np
import pytest
import torch

from pushed_networks import two_layers, wrapped
from shiftgauge.errors import ConfigError
from shiftgauge.explain.derivative_maps import derivative_maps
from shiftgauge.explain.perturbation import PerturbationOptions, perturbation_maps
from small_networks import ConvNet, wrap

IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def by_reverse_mode(image: torch.Tensor, block: int) -> tuple[np.ndarray, np.ndarray]:
    inner = two_layers()[: block + 1]
    x = (image[None] - 0.5) / 0.25
    jacobian = torch.autograd.functional.jacobian(lambda v: inner(v).reshape(-1), x)[:, 0]
    value = inner(x).detach().reshape(-1)
    along = torch.einsum("k,kcij->cij", value, jacobian) / value.norm()
    return jacobian.norm(dim=0).numpy(), along.numpy()


def test_columns_of_the_jacobian():
    found = derivative_maps(wrapped(two_layers()), IMAGES, blocks=["1", "2", "4"])
    for i, image in enumerate(IMAGES):
        for b, block in enumerate((1, 2, 4)):
            norm, along = by_reverse_mode(image, block)
            np.testing.assert_allclose(found.norm_of_derivative[i, b], norm, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(found.derivative_of_norm[i, b], along, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", ["input", "pixel"])
def test_captum_finds_the_same_derivatives(scale):
    from captum.attr import NeuronGradient, Saliency

    net = ConvNet().eval()
    classifier, images = wrap(net, mean=0.5, std=0.25), IMAGES
    x, factor = (images - 0.5) / 0.25, {"input": 1.0, "pixel": 4.0}[scale]
    found = derivative_maps(classifier, images, blocks=["norm", "head"], scale=scale)
    slopes = [Saliency(net).attribute(x.requires_grad_(), target=k).detach().double() for k in range(4)]
    truth = factor * torch.stack(slopes).square().sum(dim=0).sqrt()
    np.testing.assert_allclose(found.norm_of_derivative[:, 1], truth, rtol=1e-3, atol=1e-5)
    net.relu.inplace = False
    units = [(k, i, j) for k in range(6) for i in (2, 3, 4) for j in (3, 4, 5)]  # all that the pixel (3, 4) reaches
    neuron = NeuronGradient(net, net.norm)
    squares = [neuron.attribute(x, unit).detach().double()[..., 3, 4].square() for unit in units]
    truth = factor * torch.stack(squares).sum(dim=0).sqrt()
    np.testing.assert_allclose(found.norm_of_derivative[:, 0, :, 3, 4], truth, rtol=1e-3, atol=1e-5)


def test_unit_of_a_pixel():
    inputs, pixels = (
        derivative_maps(wrapped(two_layers()), IMAGES, blocks=["2"], scale=scale, batch_size=48)
        for scale in ("input", "pixel")
    )
    np.testing.assert_allclose(pixels.norm_of_derivative, 4 * inputs.norm_of_derivative, rtol=1e-5)


@pytest.mark.parametrize("channels", ["each", "together"])
def test_small_pushes_tend_to_the_derivative(channels):
    classifier, epsilon = wrapped(two_layers()), 1e-4
    pushed = perturbation_maps(
        classifier, IMAGES, blocks=["2"], options=PerturbationOptions(epsilon=epsilon, channels=channels), batch_size=48
    )
    exact = derivative_maps(classifier, IMAGES, blocks=["2"], channels=channels, batch_size=48)
    np.testing.assert_allclose(pushed.norm_of_difference / epsilon, exact.norm_of_derivative, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(pushed.difference_of_norms / epsilon, exact.derivative_of_norm, rtol=2e-3, atol=2e-3)


def test_data_set_and_errors():
    arrays = derivative_maps(wrapped(two_layers()), IMAGES, blocks=["2"], batch_size=48).dataset()
    assert arrays["derivative_of_norm"].shape == (2, 1, 3, 8, 8)
    assert arrays.attrs["scale"] == "input"
    with pytest.raises(ConfigError, match="scale"):
        derivative_maps(wrapped(two_layers()), IMAGES, scale="pixels")  # pyright: ignore[reportArgumentType]
