"""What a look inside a network does, and to how many images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.attribution_options import AttributionOptions
from shiftgauge.explain.captum_methods import METHODS
from shiftgauge.explain.objectives import ChannelMean, ClassLogit, Direction, Neuron, Target
from shiftgauge.explain.perturbation import PerturbationOptions
from shiftgauge.random import check_seed


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """How the inside of a network is looked at.

    Args:
        per_class: Images of each class that are shown, ≥ 1; drawn with `seed`.
        counted_per_class: Images of each class over which maps are averaged, ≥ `per_class`; None for as many.
        classes: Classes that are looked at and maximised; None for all of the data's, at most `most_classes`.
        most_classes: Most classes that are taken where none are named, ≥ 1.
        blocks: Blocks by module path; None for those that are found by themselves.
        maps: How pixels are pushed; None leaves the maps out.
        methods: Methods of attribution; empty leaves attributions out.
        attribution: How the methods are asked.
        layer: Layer that Grad-CAM looks at; None takes the one of the rule.
        maximize: How images of classes and units are climbed to; None leaves them out.
        units: Neurons, channels and directions that are maximised besides the classes.
        walk: How images are pushed towards every class; None leaves walks out.
        walk_per_class: Images of each class that are pushed, from 1 to `per_class`.
        batch_size: Images in one pass; None finds it by a short trial.
        seed: Of the choice of images, ≥ 0.

    Raises:
        ConfigError: A number outside its range, an unknown method or one named twice, or nothing to do.
    """

    per_class: int = 2
    counted_per_class: int | None = None
    classes: tuple[str, ...] | None = None
    most_classes: int = 10
    blocks: tuple[str, ...] | None = None
    maps: PerturbationOptions | None = field(default_factory=PerturbationOptions)
    methods: tuple[str, ...] = ("saliency", "integrated_gradients", "smooth_grad", "grad_cam", "occlusion")
    attribution: AttributionOptions = field(default_factory=AttributionOptions)
    layer: str | None = None
    maximize: ActivationMaximization | None = field(default_factory=ActivationMaximization)
    units: tuple[Target, ...] = ()
    walk: ActivationMaximization | None = field(default_factory=ActivationMaximization)
    walk_per_class: int = 1
    batch_size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("per_class", "most_classes", "walk_per_class"):
            require_positive_int(name, getattr(self, name))
        for name in ("counted_per_class", "batch_size"):
            if getattr(self, name) is not None:
                require_positive_int(name, getattr(self, name))
        if self.counted < self.per_class:
            raise ConfigError(f"`counted_per_class` must be at least `per_class`, {self.per_class}, got {self.counted}")
        if self.walk_per_class > self.per_class:
            raise ConfigError(
                f"`walk_per_class` must be at most `per_class`, {self.per_class}, got {self.walk_per_class}"
            )
        for method in self.methods:
            require_in("method", method, tuple(METHODS))
        for name in ("methods", "classes", "blocks"):
            values = getattr(self, name) or ()
            twice = [value for value in values if values.count(value) > 1]
            if twice:
                raise ConfigError(f"`{name}` names `{twice[0]}` twice")
        if self.layer is not None and "grad_cam" not in self.methods:
            raise ConfigError("`layer` belongs to the method grad_cam, which is not among `methods`")
        if self.units and self.maximize is None:
            raise ConfigError("`units` are maximised, but `maximize` is left out")
        if self.maps is None and not self.methods and self.maximize is None and self.walk is None:
            raise ConfigError("maps, attributions, maximised images and walks are all left out; ask for one of them")
        check_seed(self.seed)

    @property
    def counted(self) -> int:
        """Images of each class over which maps are averaged."""
        return self.per_class if self.counted_per_class is None else self.counted_per_class

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as plain JSON-able values."""
        plain = {
            name: getattr(self, name)
            for name in ("per_class", "counted_per_class", "most_classes", "layer", "walk_per_class", "batch_size")
        }
        lists = {
            name: None if getattr(self, name) is None else list(getattr(self, name))
            for name in ("classes", "blocks", "methods")
        }
        parts = {
            name: None if getattr(self, name) is None else getattr(self, name).to_dict()
            for name in ("maps", "attribution", "maximize", "walk")
        }
        return {**plain, **lists, **parts, "units": [unit.to_dict() for unit in self.units], "seed": self.seed}


def unit_of(values: Mapping[str, Any]) -> Target:
    """A unit from the plain values that its `to_dict` gives, as a configuration states it.

    Args:
        values: `kind` and what that kind takes.

    Raises:
        ConfigError: An unknown kind, or keys that it does not take.

    Example:
        >>> unit_of({"kind": "channel_mean", "block": "layer4", "channel": 3})
        ChannelMean(block='layer4', channel=3)
    """
    kinds = {"class_logit": ClassLogit, "neuron": Neuron, "channel_mean": ChannelMean, "direction": Direction}
    kind = require_in("kind", str(values.get("kind")), tuple(kinds))
    given = {key: value for key, value in values.items() if key != "kind"}
    if isinstance(given.get("index"), list):
        given["index"] = tuple(given["index"])
    try:
        return kinds[kind](**given)
    except TypeError as error:
        raise ConfigError(f"a unit of the kind {kind} does not take these keys: {', '.join(given)}") from error
