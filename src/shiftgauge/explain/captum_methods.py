"""The attribution methods themselves, by Captum: one function for each, all of one form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch

from shiftgauge.errors import MissingExtraError
from shiftgauge.explain.attribution_options import AttributionOptions
from shiftgauge.explain.baselines import baseline_images
from shiftgauge.files import hash_array
from shiftgauge.models.input_scale import InputScale
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.random import generator


class Logits:
    """The logits of a network as a function of its images in a chosen scale; counts what it is asked.

    Args:
        network: The network.
        scale: Of the images it takes.
        layer: Path of a layer that Captum looks at, or None.
    """

    def __init__(self, network: TorchClassifier, scale: InputScale, layer: str | None) -> None:
        self.network, self.scale = network, scale
        self.part = None if layer is None else network.module.get_submodule(layer)
        self.evaluations = self.gradients = 0

    def __call__(self, x_nchw: torch.Tensor) -> torch.Tensor:
        """Images (n, C, H, W) in the scale → logits (n, K), inside their autograd graph."""
        self.evaluations += len(x_nchw)
        self.gradients += len(x_nchw) * torch.is_grad_enabled() * (x_nchw.requires_grad or self.part is not None)
        pixels = x_nchw * self.scale.width(x_nchw) + x_nchw.new_tensor(self.scale.mean).view(1, -1, 1, 1)
        if self.part is None:
            return self.network.logits_with_grad(pixels)
        # Captum's own hook stands by now, so that this one runs after it: a layer behind may write in place
        handle = self.part.register_forward_hook(lambda module, inputs, output: output.clone())
        try:
            return self.network.logits_with_grad(pixels)
        finally:
            handle.remove()


@dataclass(frozen=True, kw_only=True)
class Call:
    """Some images and what is asked about them.

    Args:
        logits: The network.
        pixels: (n, C, H, W) in [0, 1].
        places: Class of each image, (n,).
        options: How it is asked.
        batch_size: Most images in one pass.
    """

    logits: Logits
    pixels: torch.Tensor
    places: torch.Tensor
    options: AttributionOptions
    batch_size: int

    @property
    def inputs(self) -> torch.Tensor:
        """The images in the scale, to be differentiated by."""
        return self.logits.scale.of_pixels(self.pixels).requires_grad_()

    @property
    def baselines(self) -> torch.Tensor:
        """What stands for no image, in the scale."""
        options = self.options
        return self.logits.scale.of_pixels(
            baseline_images(self.pixels, options.baseline, blur_px=options.blur_px)
        ).detach()


Answer = tuple[torch.Tensor, torch.Tensor | None]
"""Values (n, C or 1, H, W), and by how much their sums miss the change of the logit (n,) where a method says so."""


def captum_attributions() -> Any:
    """Returns the module `captum.attr`.

    Raises:
        MissingExtraError: Captum is not installed.
    """
    try:
        import captum.attr
    except ImportError as error:
        raise MissingExtraError("captum", "explain", "an attribution") from error
    return captum.attr


def saliency(call: Call) -> Answer:
    """|∂z/∂x|."""
    found = captum_attributions().Saliency(call.logits).attribute(call.inputs, target=call.places, abs=True)
    return found.detach(), None


def input_x_gradient(call: Call) -> Answer:
    """x · ∂z/∂x."""
    found = captum_attributions().InputXGradient(call.logits).attribute(call.inputs, target=call.places)
    return found.detach(), None


def integrated_gradients(call: Call) -> Answer:
    """(x − b) · ∫ ∂z/∂x along the straight way from b to x, by Gauss and Legendre's rule."""
    found, missed = (
        captum_attributions()
        .IntegratedGradients(call.logits)
        .attribute(
            call.inputs,
            baselines=call.baselines,
            target=call.places,
            n_steps=call.options.steps,
            internal_batch_size=max(call.batch_size, len(call.pixels)),
            return_convergence_delta=True,
        )
    )
    return found.detach(), missed.detach()


def smooth_grad(call: Call) -> Answer:
    """Mean of ∂z/∂x over noisy copies; the noise belongs to the image, whatever batch it is in.

    Captum's own NoiseTunnel draws from the global generator for a whole batch at a time, so that its answer depends on
    the batch size; here each image has its stream, and Captum takes the gradients.
    """
    method = captum_attributions().Saliency(call.logits)
    width = call.logits.scale.width(call.pixels)[0]
    rows = []
    for pixels, clean, place in zip(call.pixels, call.inputs.detach(), call.places, strict=True):
        rng = generator(call.options.seed, "attribution", "smooth_grad", hash_array(pixels.cpu().numpy()))
        total = torch.zeros_like(clean, dtype=torch.float64)
        left = call.options.samples
        while left:
            n = min(left, call.batch_size)
            noise = torch.from_numpy(rng.standard_normal((n, *clean.shape), dtype=np.float32)).to(clean)
            noisy = (clean + call.options.noise * noise / width).requires_grad_()
            total += method.attribute(noisy, target=place.expand(n), abs=False).detach().double().sum(dim=0)
            left -= n
        rows.append((total / call.options.samples).to(clean.dtype))
    return torch.stack(rows), None


def grad_cam(call: Call) -> Answer:
    """Σ_k α_k A_k with α_k the mean of ∂z/∂A_k, rectified; at the size of the image where `enlarge` is told."""
    attr = captum_attributions()
    found = attr.LayerGradCam(call.logits, call.logits.part).attribute(
        call.inputs.detach(), target=call.places, relu_attributions=call.options.rectify
    )
    if not call.options.enlarge:
        return found.detach(), None
    size = tuple(call.pixels.shape[2:])
    return attr.LayerAttribution.interpolate(found.detach().to(call.pixels.device), size, "bilinear"), None


def occlusion(call: Call) -> Answer:
    """z(x) − z(x with a window painted over), the mean over all windows that cover a pixel."""
    channels, *size = call.pixels.shape[1:]
    window, stride = call.options.window(size[0], size[1])
    found = (
        captum_attributions()
        .Occlusion(call.logits)
        .attribute(
            call.inputs.detach(),
            sliding_window_shapes=(channels, window, window),
            strides=(channels, stride, stride),
            baselines=call.baselines,
            target=call.places,
            perturbations_per_eval=max(1, call.batch_size // len(call.pixels)),
        )
    )
    return found.detach()[:, :1], None


METHODS: Final[dict[str, Callable[[Call], Answer]]] = {
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "integrated_gradients": integrated_gradients,
    "smooth_grad": smooth_grad,
    "grad_cam": grad_cam,
    "occlusion": occlusion,
}


def passes_of(method: str, options: AttributionOptions, height: int, width: int) -> int:
    """How many images one image becomes in a method."""
    if method == "integrated_gradients":
        return options.steps
    if method == "smooth_grad":
        return options.samples
    if method == "occlusion":
        window, stride = options.window(height, width)
        return 1 + int(np.prod([1 + -(-max(side - window, 0) // stride) for side in (height, width)]))
    return 1
