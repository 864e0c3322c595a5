"""Random changes of training images: symmetries, the catalogue's shifts drawn from an audited space, kornia."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.random import check_seed, generator, stream_key
from shiftgauge.shifts.catalog import get
from shiftgauge.shifts.limits import Fill, Interpolation
from shiftgauge.shifts.pipeline import ShiftPipeline
from shiftgauge.space import Space
from shiftgauge.train.kornia_transforms import KorniaTransform, apply_transforms, build_transforms
from shiftgauge.types import ThetaNP

Flip: TypeAlias = Literal["horizontal", "vertical", "quarter_turns"]
_STREAMS: Final = 1 << 62


@dataclass(frozen=True, kw_only=True)
class PipelineOptions:
    """How the catalogue's shifts act; they mean what they mean in an audit.

    Args:
        fill: What lies outside the picture: `constant`, `edge` or `reflect`.
        fill_value: Grey value for `constant`, in [0, 1].
        field_of_view_deg: Angle under which the camera of tilt and pan sees the longer side, degrees in [5, 150].
        interpolation: `bilinear`, `bicubic` or `nearest`.
        order: Order of the shifts; default the camera's: scene light, geometry, optics, sensor.

    Example:
        >>> PipelineOptions(fill="reflect").order is None
        True
    """

    fill: Fill = "constant"
    fill_value: float = 0.0
    field_of_view_deg: float = 53.0
    interpolation: Interpolation = "bilinear"
    order: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class AugmentOptions:
    """What happens to a training image, in this order: flips, shifts of the catalogue, transforms of kornia.

    Args:
        flips: `horizontal`, `vertical`: mirrored with chance ½ each; `quarter_turns`: turned by 0, 90, 180 or 270
            degrees, each as likely, for square images. All three together, and quarter turns with either flip, give
            each of the eight symmetries of a square the same chance.
        kornia: Transforms of kornia (extra `train`), in order.
        space: The shifts with their distributions, such as the space of an audit; None for none.
        share: Chance that a shift acts on an image, in [0, 1]: one number for all, or one for each shift by name,
            1 where it is not named. A shift that does not act leaves the image as it is; a companion, such as the
            angle of a blur, acts where its main shift does. 1 is the space as audited.
        shifts: How the shifts act.

    Raises:
        ConfigError: An unknown or repeated flip, an unknown shift, a share outside its range or of no shift.

    Example:
        >>> from shiftgauge.parameter import Parameter
        >>> turn = Parameter(name="rotation", distribution="uniform", options={"low": -10, "high": 10})
        >>> AugmentOptions(flips=("horizontal",), space=Space([turn]), share={"rotation": 0.5}).shares
        (0.5,)
    """

    flips: tuple[Flip, ...] = ()
    kornia: tuple[KorniaTransform, ...] = ()
    space: Space | None = None
    share: float | Mapping[str, float] = 1.0
    shifts: PipelineOptions = field(default_factory=PipelineOptions)

    def __post_init__(self) -> None:
        object.__setattr__(self, "flips", tuple(self.flips))
        object.__setattr__(self, "kornia", tuple(self.kornia))
        for flip in self.flips:
            require_in("flip", flip, get_args(Flip))
            if self.flips.count(flip) > 1:
                raise ConfigError(f"flip `{flip}` is named {self.flips.count(flip)} times; name it once")
        if isinstance(self.share, Mapping):
            object.__setattr__(self, "share", dict(self.share))
        _check_share(self.share, () if self.space is None else self.space.names)
        if self.space is not None:
            ShiftPipeline(self.space.names, **asdict(self.shifts))
            for parameter in self.space.parameters:
                for value in parameter.ppf(np.array([0.0, 1.0])):
                    get(parameter.name).check(float(value))

    @property
    def shares(self) -> tuple[float, ...]:
        """The chance of each shift of the space, in its order; a companion goes with its main shift."""
        names = () if self.space is None else self.space.names
        if not isinstance(self.share, Mapping):
            return (float(self.share),) * len(names)
        return tuple(float(self.share.get(get(name).companion_of or name, 1.0)) for name in names)

    def to_dict(self) -> dict[str, Any]:
        """The options as plain values, for the record of a training."""
        return {
            "flips": list(self.flips),
            "kornia": [transform.to_dict() for transform in self.kornia],
            "space": None if self.space is None else self.space.to_dict(),
            "share": dict(self.share) if isinstance(self.share, Mapping) else self.share,
            "shifts": {**asdict(self.shifts), "order": None if self.shifts.order is None else list(self.shifts.order)},
        }


class Augmenter:
    """Changes batches of training images at random: a function of seed, epoch and step, whatever came before.

    Args:
        options: What may happen.
        image_shape: (C, H, W) of the images.
        seed: The one seed of the training, ≥ 0.

    Raises:
        ConfigError: Options that do not fit the images: quarter turns of oblong ones, a colour shift of grey ones,
            a transform that kornia refuses.
        MissingExtraError: kornia is asked for and not installed.

    Example:
        >>> augmenter = Augmenter(AugmentOptions(flips=("horizontal", "vertical")), (3, 8, 8), seed=0)
        >>> images = torch.rand(4, 3, 8, 8)
        >>> changed = augmenter(images, epoch=0, step=5)
        >>> bool((changed == augmenter(images, epoch=0, step=5)).all()), changed.shape == images.shape
        (True, True)
    """

    def __init__(self, options: AugmentOptions, image_shape: Sequence[int], seed: int) -> None:
        if len(image_shape) != 3:
            raise ConfigError(f"`image_shape` must be (channels, height, width), got {tuple(image_shape)}")
        channels, height, width = (require_positive_int("image_shape", side) for side in image_shape)
        self.options = options
        self.image_shape = (channels, height, width)
        self.seed = check_seed(seed)
        if "quarter_turns" in options.flips and height != width:
            raise ConfigError(f"`quarter_turns` needs square images, these have {height} × {width}; leave it out")
        self._pipeline = None
        if options.space is not None:
            self._pipeline = ShiftPipeline(options.space.names, **asdict(options.shifts), seed=self.seed)
            for name in options.space.names:
                wanted = get(name).channels
                if wanted not in (None, channels):
                    raise ConfigError(
                        f"`{name}` needs images with {wanted} channels, these have {channels}; leave it out"
                    )
        self._transforms = build_transforms(options.kornia, self.image_shape)

    def __call__(self, images_nchw: Tensor, epoch: int, step: int) -> Tensor:
        """Changes a batch.

        Args:
            images_nchw: Images in [0, 1], (N, C, H, W) float32, on any device.
            epoch: Number of the epoch, from 0.
            step: Number of the batch; several devices give each batch of a step a number of its own.

        Returns:
            Images in [0, 1] of the same shape, on the same device; the input is never changed.

        Raises:
            ConfigError: Images of another shape or type.
        """
        if tuple(images_nchw.shape[1:]) != self.image_shape or images_nchw.dtype != torch.float32:
            raise ConfigError(
                f"images must be float32 (N, {', '.join(map(str, self.image_shape))}), "
                f"got {images_nchw.dtype} {tuple(images_nchw.shape)}"
            )
        # geometry and noise in float32, even where the network runs in half precision
        with torch.no_grad(), torch.autocast(images_nchw.device.type, enabled=False):
            images = self._flipped(images_nchw, epoch, step)
            if self._pipeline is not None:
                theta, streams = self.draw(len(images), epoch, step)
                images = self._pipeline(images, torch.from_numpy(theta), torch.from_numpy(streams))
            if self._transforms:
                images = apply_transforms(
                    self._transforms, images, stream_key(self.seed, "train", "kornia", epoch, step)
                )
        return images

    def draw(self, count: int, epoch: int, step: int) -> tuple[ThetaNP, np.ndarray]:
        """Draws what the shifts of a batch are: from the space, and the identity where a shift does not act.

        Args:
            count: Images of the batch.
            epoch: Number of the epoch.
            step: Number of the batch.

        Returns:
            Values (count, P), columns as the names of the space, and stream numbers (count,) int64.

        Raises:
            ConfigError: There is no space to draw from.
        """
        space = self.options.space
        if space is None:
            raise ConfigError("there is no space to draw shifts from; give `space`")
        rng = generator(self.seed, "train", "shifts", epoch, step)
        theta = space.to_physical(rng.random((count, space.n_varying)))
        acts = rng.random((count, space.n_parameters)) < np.array(self.options.shares)
        acts = acts[:, [space.names.index(get(name).companion_of or name) for name in space.names]]
        identity = np.array([get(name).identity for name in space.names])
        return np.where(acts, theta, identity), rng.integers(_STREAMS, size=count)

    def _flipped(self, images: Tensor, epoch: int, step: int) -> Tensor:
        """Mirrors, then turns; images with the same change are changed together, each pixel once."""
        if not self.options.flips:
            return images
        rng = generator(self.seed, "train", "flips", epoch, step)
        # all three are drawn, so that what one flip does is the same whichever others there are
        drawn = np.floor(rng.random((3, len(images))) * [[2], [2], [4]]).astype(np.int64)
        drawn[[flip not in self.options.flips for flip in get_args(Flip)]] = 0
        changed = torch.empty_like(images)
        for mirror_x, mirror_y, turns in np.unique(drawn, axis=1).T.tolist():
            same = (drawn == [[mirror_x], [mirror_y], [turns]]).all(axis=0)
            where = torch.from_numpy(np.flatnonzero(same)).to(images.device)
            axes = [axis for axis, mirrored in ((3, mirror_x), (2, mirror_y)) if mirrored]
            part = images[where]
            part = part.flip(axes) if axes else part
            changed[where] = part.rot90(turns, (2, 3)) if turns else part
        return changed


def _check_share(share: float | Mapping[str, float], names: tuple[str, ...]) -> None:
    if not isinstance(share, Mapping):
        require_range("share", share, 0, 1)
        return
    if share and not names:
        raise ConfigError("`share` names shifts, but there is no space to draw them from; give `space`")
    for name, value in share.items():
        require_in("shift in `share`", name, names)
        if get(name).companion_of:
            raise ConfigError(
                f"`share` of `{name}` is that of `{get(name).companion_of}`, which it qualifies; name that"
            )
        require_range(f"share of {name}", value, 0, 1)
