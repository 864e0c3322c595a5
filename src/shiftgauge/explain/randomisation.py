r"""A sanity check: does a map change when what the network has learnt is destroyed?

Layer after layer, from the output to the input, the weights are drawn anew and stay so; after each the attribution is
computed again and its rank correlation with the first is measured. A method whose map survives does not show what the
network has learnt, but the image (its edges, say).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import xarray as xr
from torch import nn

from shiftgauge.checks import require_in, require_range, unknown_name
from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.explain.agreement import rank_correlation
from shiftgauge.explain.attribution import Attribution, attribute
from shiftgauge.explain.attribution_options import AttributionOptions
from shiftgauge.explain.captum_methods import METHODS
from shiftgauge.explain.weight_layers import weight_layers
from shiftgauge.models.inputs import Targets, require_images, require_network, target_classes
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.random import check_seed, generator
from shiftgauge.results.mean_interval import mean_interval
from shiftgauge.types import Classifier, FloatArray


@dataclass(frozen=True, kw_only=True)
class RandomisationOptions:
    """How weights are drawn anew.

    Args:
        law: `normal`: from a normal law of each tensor's own mean and standard deviation; `permute`: its own values in
            another order. Both keep the sizes, so that signals neither die nor explode and only what was learnt goes.
        confidence_level: Of the intervals of means over images, between 0 and 1.
        seed: Of the draws.
    """

    law: Literal["normal", "permute"] = "normal"
    confidence_level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        require_in("law", self.law, ("normal", "permute"))
        if require_range("confidence_level", self.confidence_level, 0, 1) in (0, 1):
            raise ConfigError(f"`confidence_level` must lie between 0 and 1, got {self.confidence_level:g}")
        check_seed(self.seed)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class Randomisation:
    """How much of each map is left as the network loses its weights.

    Args:
        methods: Names of the methods.
        layers: Names of the layers in the order in which they were drawn anew; at entry k all up to k are.
        magnitude: Rank correlation of Σ_c |values| with that of the trained network, axes (method, layer, image); NaN
            where a map is constant.
        signed: The same of Σ_c values. A value near −1 says that the picture is the same with its signs turned.
        options: How weights were drawn.
        cam_layer: Layer that Grad-CAM looked at, or None.
        fingerprint: Content hash of the classifier.
        cost: `evaluations`, `gradients`, `seconds`.
    """

    methods: tuple[str, ...]
    layers: tuple[str, ...]
    magnitude: FloatArray
    signed: FloatArray
    options: RandomisationOptions
    cam_layer: str | None
    fingerprint: str
    cost: Mapping[str, Any] = field(default_factory=dict)

    def table(self) -> pd.DataFrame:
        """A row for each method, layer and kind of map: method, layer, depth (from 1), maps, mean, low, high, images.

        An image whose map is constant is left out; `images` counts the others.
        """
        rows = []
        for kind in ("magnitude", "signed"):
            counted = np.isfinite(getattr(self, kind)).sum(axis=2)
            mean, low, high = mean_interval(getattr(self, kind), self.options.confidence_level, axis=2)
            rows += [
                {
                    "method": method, "layer": layer, "depth": k + 1, "maps": kind, "mean": mean[m, k],
                    "low": max(low[m, k], -1.0), "high": min(high[m, k], 1.0), "images": int(counted[m, k]),
                }
                for m, method in enumerate(self.methods)
                for k, layer in enumerate(self.layers)
            ]  # fmt: skip
        return pd.DataFrame(rows)

    def dataset(self) -> xr.Dataset:
        """Returns the arrays with named axes: method, layer, image."""
        axes = ("method", "layer", "image")
        return xr.Dataset(
            {"magnitude": (axes, self.magnitude), "signed": (axes, self.signed)},
            coords={"method": list(self.methods), "layer": list(self.layers)},
            attrs={
                "options": json.dumps(self.options.to_dict()),
                "cam_layer": self.cam_layer or "",
                "fingerprint": self.fingerprint,
                **self.cost,
            },
        )


def cascading_randomisation(
    classifier: Classifier,
    images: torch.Tensor,
    targets: Targets = None,
    *,
    methods: Sequence[str] = ("saliency", "integrated_gradients", "grad_cam"),
    options: RandomisationOptions | None = None,
    attribution_options: AttributionOptions | None = None,
    layers: Sequence[str] | None = None,
    cam_layer: str | None = None,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Randomisation:
    """Draws the weights of a network anew, layer after layer, and sees what becomes of its attributions.

    The network is changed in place while this runs, so nothing else may use it meanwhile; afterwards, and after a
    failure, each weight is what it was, bit for bit. Running statistics of normalisations are left alone.

    Args:
        classifier: A torch network as a classifier.
        images: (N, C, H, W) of its input shape, values in [0, 1].
        targets: As of `attribute`; None asks the trained network and keeps its answers.
        methods: Names of methods of `attribute`.
        options: How weights are drawn.
        attribution_options: How the methods ask.
        layers: Module paths in the order in which they lose their weights, with all that is below them; None takes
            those of `weight_layers` from output to input.
        cam_layer: Layer of Grad-CAM; None has it chosen once, by the trained network.
        batch_size: As of `attribute`.
        progress: Called with (attributions done, attributions in all).

    Raises:
        MissingExtraError: Captum is not installed.
        ConfigError: No method, an unknown one, a class that does not exist.
        ModelError: No torch network, an unknown layer, a layer without weights.
        DataError: Images of another shape, or none.

    Example:
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
        >>> p = Preprocessing(height=4, width=4, channels=1)
        >>> c = TorchClassifier(net, preprocessing=p, device=torch.device("cpu"))
        >>> found = cascading_randomisation(c, torch.rand(2, 1, 4, 4), methods=["saliency"])
        >>> found.layers, found.magnitude.shape
        (('3', '0'), (1, 2, 2))

    References:
        Adebayo, J.; Gilmer, J.; Muelly, M.; Goodfellow, I.; Hardt, M.; Kim, B. (2018). Sanity checks for saliency maps.
        arXiv:1810.03292
    """
    chosen = options or RandomisationOptions()
    names = _methods(methods)
    network = require_network(classifier)
    pixels = require_images(network, images)
    groups = _groups(network.module, weight_layers(network, pixels) if layers is None else layers)
    places = target_classes(network, pixels, targets)
    asked = _Asked(network, pixels, places, attribution_options, len(names) * (1 + len(groups)), progress)
    first = {method: asked.attribution(method, cam_layer, batch_size) for method in names}
    left = np.full((2, len(names), len(groups), len(pixels)), np.nan)
    with kept_weights(network.module):
        for k, parameters in enumerate(groups.values()):
            _draw(parameters, chosen)
            for m, (method, before) in enumerate(first.items()):
                after = asked.attribution(method, before.layer, before.cost["batch_size"])
                left[:, m, k] = [_correlation(before, after, kind) for kind in ("magnitude", "signed")]
    return Randomisation(
        methods=names,
        layers=tuple(groups),
        magnitude=left[0],
        signed=left[1],
        options=chosen,
        cam_layer=first["grad_cam"].layer if "grad_cam" in first else None,
        fingerprint=network.fingerprint,
        cost=asked.cost(),
    )


class _Asked:
    """One network asked again and again about the same images; counts what that costs."""

    def __init__(
        self,
        network: TorchClassifier,
        pixels: torch.Tensor,
        places: npt.NDArray[np.int64],
        options: AttributionOptions | None,
        total: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.network, self.pixels, self.places, self.options = network, pixels, places, options
        self.total, self.progress = total, progress
        self.counts, self.done, self.start = Counter[str](), 0, time.perf_counter()

    def attribution(self, method: str, layer: str | None, batch_size: int | None) -> Attribution:
        found = attribute(
            self.network,
            self.pixels,
            self.places,
            method=method,
            options=self.options,
            layer=layer if method == "grad_cam" else None,
            batch_size=batch_size,
        )
        self.done += 1
        self.counts.update({key: found.cost[key] for key in ("evaluations", "gradients")})
        if self.progress is not None:
            self.progress(self.done, self.total)
        return found

    def cost(self) -> dict[str, Any]:
        return {**self.counts, "seconds": time.perf_counter() - self.start}


@contextmanager
def kept_weights(module: nn.Module) -> Iterator[None]:
    """Gives every parameter back its values, bit for bit, when the block ends.

    Example:
        >>> net = nn.Linear(1, 1)
        >>> before = net.weight.item()
        >>> with kept_weights(net), torch.no_grad():
        ...     _ = net.weight.fill_(7.0)
        >>> net.weight.item() == before
        True
    """
    saved = [(parameter, parameter.detach().clone()) for parameter in module.parameters()]
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, values in saved:
                parameter.copy_(values)


def _methods(methods: Sequence[str]) -> tuple[str, ...]:
    if isinstance(methods, str) or not methods or len(set(methods)) != len(methods):
        raise ConfigError(f"`methods` must be a list of at least one method, each once, got {methods!r}")
    return tuple(require_in("method", method, METHODS) for method in methods)


def _groups(module: nn.Module, layers: Sequence[str]) -> dict[str, dict[str, nn.Parameter]]:
    """Layer → its parameters by their full names; each parameter counts at the first layer that holds it."""
    modules = dict(module.named_modules(remove_duplicate=False))
    seen: set[int] = set()
    groups: dict[str, dict[str, nn.Parameter]] = {}
    for layer in layers:
        if not layer or layer not in modules:
            raise ModelError(unknown_name("layer", layer, [name for name in modules if name]))
        own = {f"{layer}.{name}": p for name, p in modules[layer].named_parameters() if id(p) not in seen}
        if not own:
            raise ModelError(f"layer `{layer}` has no weights of its own to draw anew; leave it out")
        seen.update(id(p) for p in own.values())
        groups[layer] = own
    if not groups:
        raise ModelError("the network has no layer with weights that could be drawn anew")
    return groups


def _draw(parameters: Mapping[str, nn.Parameter], options: RandomisationOptions) -> None:
    with torch.no_grad():
        for name, parameter in parameters.items():
            rng = generator(options.seed, "randomisation", name)
            values = parameter.detach().cpu().double().numpy()
            if options.law == "permute":
                drawn = rng.permutation(values.ravel()).reshape(values.shape)
            else:
                drawn = values.mean() + values.std() * rng.standard_normal(values.shape)
            parameter.copy_(torch.from_numpy(drawn))


def _correlation(before: Attribution, after: Attribution, kind: Literal["magnitude", "signed"]) -> FloatArray:
    a, b = (found.maps(kind).reshape(len(found.values), -1) for found in (before, after))
    return rank_correlation(a, b)
