r"""Attributions: which pixels the logit of a class rests on, by six methods in one form.

With $z$ the logit of the class, $x$ the image and $b$ the baseline:

| method | value of a pixel and channel |
|---|---|
| `saliency` | $|\partial z / \partial x|$ |
| `input_x_gradient` | $x \, \partial z / \partial x$ |
| `integrated_gradients` | $(x - b) \int_0^1 \partial z / \partial x \, (b + t (x - b)) \, dt$; sums to $z(x) - z(b)$ |
| `smooth_grad` | mean of $\partial z / \partial x \, (x + \sigma \epsilon)$ over noise $\epsilon$ |
| `grad_cam` | $\max(0, \sum_k \alpha_k A_k)$, $\alpha_k$ the mean of $\partial z / \partial A_k$ over positions |
| `occlusion` | $z(x) - z(x$ with a window painted over$)$, mean over the windows that cover the pixel |

Captum computes them (extra `explain`); what is added here is one result, bounded memory, seeds that do not depend on
the batch, and checks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError
from shiftgauge.explain.attribution_options import AttributionOptions
from shiftgauge.explain.batching import batch_for
from shiftgauge.explain.cam_layer import cam_layer, require_cam_layer
from shiftgauge.explain.captum_methods import METHODS, Call, Logits, captum_attributions, passes_of
from shiftgauge.files import hash_array
from shiftgauge.models.device import full_precision
from shiftgauge.models.input_scale import input_scale
from shiftgauge.models.inputs import Targets, require_images, require_network, target_classes
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.types import Classifier, FloatArray

MapKind = Literal["magnitude", "signed"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribution:
    """What one method says of some images.

    Args:
        values: float32 (image, channel, y, x); one channel where the method does not tell channels apart (`grad_cam`,
            `occlusion`).
        method: Its name.
        targets: Class that was asked about, for each image.
        places: Its place among the outputs, (image,).
        layer: What Grad-CAM looked at, chosen by `cam_layer` where none was named; None for other methods.
        completeness_error: Σ values − (z(x) − z(b)) of integrated gradients, (image,); NaN for other methods. It is
            the error of the numerical integral: more `steps` make it smaller.
        output_change: z(x) − z(b) of integrated gradients, (image,); NaN for other methods.
        options: How it was asked; its `scale` is that of the values.
        fingerprint: Content hash of the classifier.
        image_hash: Content hash of the images.
        cost: `evaluations` (images that passed forward), `gradients` (backward), `seconds`, `batch_size`, `precision`
            (float32, on a GPU as well).
    """

    values: npt.NDArray[np.float32]
    method: str
    targets: tuple[str, ...]
    places: npt.NDArray[np.int64]
    layer: str | None
    completeness_error: FloatArray
    output_change: FloatArray
    options: AttributionOptions
    fingerprint: str = ""
    image_hash: str = ""
    cost: Mapping[str, Any] = field(default_factory=dict)

    def maps(self, kind: MapKind = "magnitude") -> FloatArray:
        """One map for each image.

        Args:
            kind: `magnitude` for Σ_c |values|; `signed` for Σ_c values, in which channels may cancel.

        Returns:
            (image, y, x).

        Raises:
            ConfigError: An unknown kind.
        """
        require_in("maps", kind, ("magnitude", "signed"))
        values = self.values.astype(np.float64)
        return (np.abs(values) if kind == "magnitude" else values).sum(axis=1)

    def dataset(self) -> xr.Dataset:
        """Returns the arrays with named axes: image, channel, y, x."""
        attrs = {
            "method": self.method,
            "layer": self.layer or "",
            "options": json.dumps(self.options.to_dict()),
            "fingerprint": self.fingerprint,
            "image_hash": self.image_hash,
            **self.cost,
        }
        variables = {
            "attribution": (("image", "channel", "y", "x"), self.values),
            "place": (("image",), self.places),
            "completeness_error": (("image",), self.completeness_error),
            "output_change": (("image",), self.output_change),
        }
        return xr.Dataset(variables, coords={"target": (("image",), list(self.targets))}, attrs=attrs)


def attribute(
    classifier: Classifier,
    images: torch.Tensor,
    targets: Targets = None,
    *,
    method: str = "integrated_gradients",
    options: AttributionOptions | None = None,
    layer: str | None = None,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Attribution:
    """Asks by one method which pixels the logit of a class rests on.

    Args:
        classifier: A torch network as a classifier: a trained model folder, a timm model, a wrapped nn.Module.
        images: (N, C, H, W) of its input shape, values in [0, 1].
        targets: A class by name or place, one for each image, or None for what the network says of each.
        method: `saliency`, `input_x_gradient`, `integrated_gradients`, `smooth_grad`, `grad_cam` or `occlusion`.
        options: How it is asked.
        layer: Module path of the layer that Grad-CAM looks at; None takes that of `cam_layer`.
        batch_size: Most images in one pass through the network, ≥ 1; None takes 32, or finds the fastest by a short
            trial where the work is long. Changes rounding alone.
        progress: Called with (images done, images in all).

    Raises:
        MissingExtraError: Captum is not installed.
        ConfigError: An unknown method or class, an option outside its range, a layer for a method without one.
        ModelError: No torch network, or an unknown layer.
        DataError: Images of another shape, or none.

    Example:
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(8, 3))
        >>> p = Preprocessing(height=4, width=4, channels=1)
        >>> c = TorchClassifier(net, preprocessing=p, device=torch.device("cpu"))
        >>> found = attribute(c, torch.rand(2, 1, 4, 4), 0, method="grad_cam")
        >>> found.layer, found.maps().shape
        ('0', (2, 4, 4))

    References:
        Simonyan, K.; Vedaldi, A.; Zisserman, A. (2013). Deep inside convolutional networks. arXiv:1312.6034
        Sundararajan, M.; Taly, A.; Yan, Q. (2017). Axiomatic attribution for deep networks. arXiv:1703.01365
        Smilkov, D.; et al. (2017). SmoothGrad: removing noise by adding noise. arXiv:1706.03825
        Selvaraju, R. R.; et al. (2017). Grad-CAM. doi:10.1109/ICCV.2017.74
        Zeiler, M. D.; Fergus, R. (2014). Visualizing and understanding convolutional networks.
            doi:10.1007/978-3-319-10590-1_53
        Kokhlikyan, N.; et al. (2020). Captum. arXiv:2009.07896
    """
    chosen = options or AttributionOptions()
    require_in("method", method, METHODS)
    network = require_network(classifier)
    pixels = require_images(network, images)
    captum_attributions()
    layer = _layer(network, pixels, method, layer)
    places = target_classes(network, pixels, targets)
    start = time.perf_counter()
    logits = Logits(network, input_scale(network, chosen.scale), layer)
    passes = passes_of(method, chosen, *pixels.shape[2:])
    place = next((p.device for p in network.module.parameters()), pixels.device)
    with full_precision():
        size = batch_for(len(pixels) * passes, _trial(network, pixels, method), batch_size, device=place)
        values, missed = _in_batches(logits, pixels, torch.from_numpy(places), chosen, method, size, passes, progress)
    counts = {"evaluations": logits.evaluations, "gradients": logits.gradients}
    return Attribution(
        values=values,
        method=method,
        targets=tuple(network.class_names[place] for place in places),
        places=places,
        layer=layer,
        completeness_error=missed,
        output_change=values.astype(np.float64).sum(axis=(1, 2, 3)) - missed,
        options=chosen,
        fingerprint=network.fingerprint,
        image_hash=hash_array(pixels.cpu().numpy()),
        cost={**counts, "seconds": time.perf_counter() - start, "batch_size": size, "precision": "float32"},
    )


def _layer(network: TorchClassifier, pixels: torch.Tensor, method: str, named: str | None) -> str | None:
    """The layer that Grad-CAM looks at; None for other methods."""
    if method == "grad_cam":
        return cam_layer(network, pixels) if named is None else require_cam_layer(network, named, pixels)
    if named is not None:
        raise ConfigError(f"`layer` belongs to `grad_cam`, got `{named}` with `{method}`; leave it out")
    return None


def _in_batches(
    logits: Logits,
    pixels: torch.Tensor,
    places: torch.Tensor,
    options: AttributionOptions,
    method: str,
    batch_size: int,
    passes: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[npt.NDArray[np.float32], FloatArray]:
    """Values (image, channel, y, x) and what their sums miss (image,), a few images at a time."""
    at_once, rows, errors = max(1, batch_size // passes), [], []
    for start in range(0, len(pixels), at_once):
        part = slice(start, start + at_once)
        call = Call(
            logits=logits, pixels=pixels[part], places=places[part].to(pixels.device), options=options,
            batch_size=batch_size,
        )  # fmt: skip
        values, missed = METHODS[method](call)
        rows.append(values.float().cpu().numpy())
        errors.append(np.full(len(values), np.nan) if missed is None else missed.double().cpu().numpy())
        if progress is not None:
            progress(min(start + at_once, len(pixels)), len(pixels))
    return np.concatenate(rows), np.concatenate(errors)


def _trial(network: TorchClassifier, pixels: torch.Tensor, method: str) -> Callable[[int], None]:
    """One pass of a number of images, with a gradient where the method takes one."""

    def run(n: int) -> None:
        rows = pixels[:1].expand(n, -1, -1, -1).clone().requires_grad_(method != "occlusion")
        total = network.logits_with_grad(rows)[:, 0].sum()
        if total.requires_grad:
            torch.autograd.grad(total, rows)

    return run
