"""What a look inside a network does, and to how many images."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.attribution_options import AttributionOptions
from shiftgauge.explain.captum_methods import METHODS
from shiftgauge.explain.curve_options import CurveOptions
from shiftgauge.explain.mask_sobol import MaskSobolOptions
from shiftgauge.explain.objectives import Target
from shiftgauge.explain.perturbation import PerturbationOptions
from shiftgauge.explain.pixel_bounds import PixelBoundOptions
from shiftgauge.explain.randomisation import RandomisationOptions
from shiftgauge.random import check_seed

ABOUT: Final = ("predicted", "label")
"""What an image may be asked about besides a class by name."""
STARTS: Final = ("noise", "class_mean", "image")
"""Where a climb may begin."""
_COUNTS: Final = ("per_class", "most_classes", "walk_per_class", "masks_per_class", "checked_images", "mean_images")
_AT_MOST: Final = ("walk_per_class", "masks_per_class")
_PARTS: Final = ("maps", "derivatives", "attribution", "curves", "randomisation", "bounds", "masks", "maximize", "walk")


@dataclass(frozen=True, kw_only=True)
class DerivativeOptions:
    """How exact derivatives of the blocks by the pixels are taken.

    Args:
        scale: Unit of a pixel: `input` (as the network sees it) or `pixel` ([0, 1]).
        channels: `each`, or `together`: the derivative in the direction of all channels at once.
    """

    scale: Literal["input", "pixel"] = "input"
    channels: Literal["each", "together"] = "each"

    def __post_init__(self) -> None:
        require_in("scale", self.scale, ("input", "pixel"))
        require_in("channels", self.channels, ("each", "together"))

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """How the inside of a network is looked at.

    Args:
        per_class: Images of each class that are shown, ≥ 1; drawn with `seed`.
        counted_per_class: Images of each class over which maps are averaged, ≥ `per_class`; None for as many.
        classes: Classes that are looked at and maximised; None for all of the data's, at most `most_classes`.
        most_classes: Most classes that are taken where none are named, ≥ 1.
        blocks: Blocks by module path; None for those that are found by themselves.
        about: Class that each image is asked about: what the network says (`predicted`), what the data say (`label`;
            of several the one that the image was drawn for), or a class by name.
        maps: How pixels are pushed; None leaves the maps out.
        derivatives: How exact derivatives are taken, of as many images; None (default) leaves them out.
        methods: Methods of attribution; empty leaves attributions out.
        attribution: How the methods are asked.
        layer: Layer that Grad-CAM looks at; None takes the one of the rule.
        curves: How deletion and insertion curves of each method are drawn; None leaves them out.
        randomisation: How weights are drawn anew to see whether maps change; None leaves that out.
        checked_images: Images of which that is seen, ≥ 1.
        bounds: How bounds on the total index of every pixel are found; None leaves them out.
        masks: How Sobol' indices of masks are found; None leaves them out.
        masks_per_class: Images of each class that are masked, from 1 to `per_class`.
        maximize: How images of classes and units are climbed to; None leaves them out.
        start: Where those climbs begin: `noise`, the mean image of the class (`class_mean`; units begin at the mean of
            these), or an image (`image`: `start_image`, or the first of the class).
        start_image: Name of the image of the data set at which all climbs begin; belongs to `start="image"`.
        mean_images: Most images of a class that its mean is taken of, ≥ 1.
        units: Neurons, channels and directions that are maximised besides the classes.
        walk: How images are pushed towards every class; None leaves walks out.
        walk_per_class: Images of each class that are pushed, from 1 to `per_class`.
        batch_size: Images in one pass of every part but the maps; None leaves it to each part.
        map_batch_size: Pushes in one batch of the maps; None finds it by a short trial.
        seed: Of the choice of images, ≥ 0.

    Raises:
        ConfigError: A number outside its range, an unknown method or one named twice, or nothing to do.
    """

    per_class: int = 2
    counted_per_class: int | None = None
    classes: tuple[str, ...] | None = None
    most_classes: int = 10
    blocks: tuple[str, ...] | None = None
    about: str = "predicted"
    maps: PerturbationOptions | None = field(default_factory=PerturbationOptions)
    derivatives: DerivativeOptions | None = None
    methods: tuple[str, ...] = ("saliency", "integrated_gradients", "smooth_grad", "grad_cam", "occlusion")
    attribution: AttributionOptions = field(default_factory=AttributionOptions)
    layer: str | None = None
    curves: CurveOptions | None = field(default_factory=CurveOptions)
    randomisation: RandomisationOptions | None = field(default_factory=RandomisationOptions)
    checked_images: int = 4
    bounds: PixelBoundOptions | None = field(default_factory=PixelBoundOptions)
    masks: MaskSobolOptions | None = field(default_factory=MaskSobolOptions)
    masks_per_class: int = 1
    maximize: ActivationMaximization | None = field(default_factory=ActivationMaximization)
    start: Literal["noise", "class_mean", "image"] = "noise"
    start_image: str | None = None
    mean_images: int = 200
    units: tuple[Target, ...] = ()
    walk: ActivationMaximization | None = field(default_factory=ActivationMaximization)
    walk_per_class: int = 1
    batch_size: int | None = None
    map_batch_size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in _COUNTS:
            require_positive_int(name, getattr(self, name))
        for name in ("counted_per_class", "batch_size", "map_batch_size"):
            if getattr(self, name) is not None:
                require_positive_int(name, getattr(self, name))
        if self.counted < self.per_class:
            raise ConfigError(f"`counted_per_class` must be at least `per_class`, {self.per_class}, got {self.counted}")
        for name in _AT_MOST:
            if getattr(self, name) > self.per_class:
                raise ConfigError(f"`{name}` must be at most `per_class`, {self.per_class}, got {getattr(self, name)}")
        for method in self.methods:
            require_in("method", method, tuple(METHODS))
        for name in ("methods", "classes", "blocks"):
            values = getattr(self, name) or ()
            twice = [value for value in values if values.count(value) > 1]
            if twice:
                raise ConfigError(f"`{name}` names `{twice[0]}` twice")
        check_seed(self.seed)
        self._agree()

    def _agree(self) -> None:
        """Refuses what does not go together."""
        if self.layer is not None and "grad_cam" not in self.methods:
            raise ConfigError("`layer` belongs to the method grad_cam, which is not among `methods`")
        if self.units and self.maximize is None:
            raise ConfigError("`units` are maximised, but `maximize` is left out")
        require_in("start", self.start, STARTS)
        if self.start_image is not None and self.start != "image":
            raise ConfigError(f"`start_image` belongs to the start `image`, got the start `{self.start}`")
        if self.bounds is not None and self.bounds.over != "each":
            raise ConfigError("a look inside bounds the pixels of each image by itself; leave `over` out of `bounds`")
        done = (self.maps, self.derivatives, self.bounds, self.masks, self.maximize, self.walk)
        if not self.methods and all(part is None for part in done):
            raise ConfigError("every part is left out; ask for one of them, such as maps")

    @property
    def counted(self) -> int:
        """Images of each class over which maps are averaged."""
        return self.per_class if self.counted_per_class is None else self.counted_per_class

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as plain JSON-able values."""
        names = (*_COUNTS, "counted_per_class", "about", "layer", "start", "start_image", "batch_size")
        plain = {name: getattr(self, name) for name in (*names, "map_batch_size", "seed")}
        lists = {
            name: None if getattr(self, name) is None else list(getattr(self, name))
            for name in ("classes", "blocks", "methods")
        }
        parts = {name: None if getattr(self, name) is None else getattr(self, name).to_dict() for name in _PARTS}
        return {**plain, **lists, **parts, "units": [unit.to_dict() for unit in self.units]}
