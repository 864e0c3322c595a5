"""What happens to an image before the network sees it: size, crop, channels, normalisation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias

import torch
from torch.nn import functional

from shiftgauge.checks import require_in, require_positive_int, require_range, unknown_name
from shiftgauge.errors import ConfigError, ModelError

Resize: TypeAlias = Literal["squash", "shortest", "none"]
Interpolation: TypeAlias = Literal["bilinear", "bicubic", "nearest"]
ChannelConversion: TypeAlias = Literal["grey_to_rgb", "either", "none"]

_LUMA_REC601 = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Turns images of any size with values in [0, 1] into the input of a network.

    The steps are, in this order: channel conversion, resize to `floor(size / crop_fraction)`,
    centre crop to (height, width); then, in `normalise`, (x − mean) / std per channel. Shifts are
    applied between `prepare` and `normalise`, at the network's own resolution.

    Args:
        height: Input height in pixels, ≥ 1.
        width: Input width in pixels, ≥ 1.
        channels: Input channels, ≥ 1; default 3.
        resize: `squash` changes the aspect ratio, `shortest` keeps it and crops the longer side,
            `none` takes images of exactly the input size; default `squash`, which loses no pixels
            at the edge, where a defect may lie.
        crop_fraction: Share of the resized image's side that the centre crop keeps, in (0, 1];
            default 1 (no crop).
        interpolation: `bilinear` (default), `bicubic` or `nearest`.
        antialias: Low-pass filter before shrinking, as Pillow does; default True. Not for `nearest`.
        mean: One number per channel, or one for all; default 0.
        std: One number > 0 per channel, or one for all; default 1.
        channel_conversion: `grey_to_rgb` (default) repeats one channel three times where the network
            takes three; `either` also turns RGB into grey by the Rec. 601 weights (0.299, 0.587,
            0.114) where it takes one; `none` converts nothing. A conversion that is not allowed is
            an error, never a guess.

    Raises:
        ConfigError: A value is outside its range.

    Example:
        >>> import torch
        >>> p = Preprocessing(height=8, width=8, mean=(0.5,), std=(0.25,))
        >>> p.prepare(torch.ones(2, 1, 20, 30)).shape
        torch.Size([2, 3, 8, 8])
        >>> float(p.normalise(torch.ones(1, 3, 8, 8)).mean())
        2.0
    """

    height: int
    width: int
    channels: int = 3
    resize: Resize = "squash"
    crop_fraction: float = 1.0
    interpolation: Interpolation = "bilinear"
    antialias: bool = True
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    channel_conversion: ChannelConversion = "grey_to_rgb"

    def __post_init__(self) -> None:
        for name in ("height", "width", "channels"):
            object.__setattr__(self, name, require_positive_int(f"preprocessing.{name}", getattr(self, name)))
        require_in("preprocessing.resize", self.resize, ("squash", "shortest", "none"))
        require_in("preprocessing.interpolation", self.interpolation, ("bilinear", "bicubic", "nearest"))
        require_in("preprocessing.channel_conversion", self.channel_conversion, ("grey_to_rgb", "either", "none"))
        require_range("preprocessing.crop_fraction", self.crop_fraction, 0.01, 1.0)
        object.__setattr__(self, "mean", _per_channel("mean", self.mean, self.channels))
        object.__setattr__(self, "std", _per_channel("std", self.std, self.channels))
        if min(self.std) <= 0:
            raise ConfigError(f"`preprocessing.std` must be > 0, got {min(self.std):g}")

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the network's input."""
        return self.channels, self.height, self.width

    def prepare(self, images_nchw: torch.Tensor) -> torch.Tensor:
        """Converts channels, resizes and crops: (N, c, h, w) in [0, 1] → (N, C, H, W) in [0, 1].

        Raises:
            ModelError: The channels or the size do not fit and may not be converted.
        """
        if images_nchw.ndim != 4:
            raise ModelError(f"images must have the shape (N, C, H, W), got {tuple(images_nchw.shape)}")
        images = self._convert_channels(images_nchw)
        height, width = images.shape[-2:]
        if self.resize == "none" and (height, width) != (self.height, self.width):
            raise ModelError(
                f"the model takes images of {self.height}×{self.width} pixels, got {height}×{width}; "
                "set `preprocessing.resize` to squash or shortest"
            )
        if self.resize != "none":
            images = self._resize(images)
        return _centre_crop(images, self.height, self.width)

    def normalise(self, images_nchw: torch.Tensor) -> torch.Tensor:
        """Returns (x − mean) / std per channel, in the layout and on the device of the images.

        It is a new tensor even where nothing is to be done, because a network may write into what it is given.
        """
        if set(self.mean) == {0.0} and set(self.std) == {1.0}:
            return images_nchw.clone()
        options = {"dtype": images_nchw.dtype, "device": images_nchw.device}
        mean = torch.tensor(self.mean, **options).view(1, -1, 1, 1)
        std = torch.tensor(self.std, **options).view(1, -1, 1, 1)
        return torch.sub(images_nchw, mean).div_(std) if not images_nchw.requires_grad else (images_nchw - mean) / std

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain JSON-able values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> "Preprocessing":
        """Builds it from a configuration; what the configuration leaves out comes from `defaults`.

        `crop_fraction` belongs to the way of resizing: where `resize` is stated, the default's fraction is dropped.

        Raises:
            ConfigError: A key is unknown, or height or width is in neither.

        Example:
            >>> Preprocessing.from_mapping({"mean": 0.5}, {"height": 4, "width": 4}).mean
            (0.5, 0.5, 0.5)
        """
        allowed = [f.name for f in fields(cls)]
        for key in values:
            if key not in allowed:
                raise ConfigError(unknown_name("key of `preprocessing`", str(key), allowed))
        known = dict(defaults or {})
        if "resize" in values:
            known.pop("crop_fraction", None)
        merged = {**known, **values}
        for key in ("mean", "std"):
            if key in merged and not isinstance(merged[key], Sequence):
                merged[key] = (merged[key],)
        missing = [k for k in ("height", "width") if k not in merged]
        if missing:
            raise ConfigError(
                f"`preprocessing` lacks {' and '.join(missing)}; state the input size of the network, "
                "and the mean and std that it was trained with"
            )
        return cls(**merged)

    @classmethod
    def timm_values(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Translates timm's data config (`timm.data.resolve_data_config`) into fields.

        timm's crop mode `center` is `shortest` here; `squash` and `border` are `squash`.
        """
        channels, height, width = config["input_size"]
        interpolation = str(config.get("interpolation", "bilinear"))
        return {
            "channels": int(channels),
            "height": int(height),
            "width": int(width),
            "resize": "shortest" if config.get("crop_mode", "center") == "center" else "squash",
            "crop_fraction": float(config.get("crop_pct", 1.0)),
            "interpolation": interpolation if interpolation in ("bilinear", "bicubic", "nearest") else "bilinear",
            "mean": tuple(float(v) for v in config["mean"]),
            "std": tuple(float(v) for v in config["std"]),
        }

    def _convert_channels(self, images: torch.Tensor) -> torch.Tensor:
        given, wanted = images.shape[1], self.channels
        if given == wanted:
            return images
        if given == 1 and wanted == 3 and self.channel_conversion != "none":
            return images.expand(-1, 3, -1, -1)
        if given == 3 and wanted == 1 and self.channel_conversion == "either":
            weights = torch.tensor(_LUMA_REC601, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
            return (images * weights).sum(dim=1, keepdim=True)
        hint = ""
        if {given, wanted} == {1, 3}:
            hint = "; set `preprocessing.channel_conversion` to " + ("grey_to_rgb" if given == 1 else "either")
        else:
            hint = f"; give it such images, or train a network with `model.channels: {given}`"
        raise ModelError(f"the model takes images of {wanted} channel(s), got {given}{hint}")

    def _resize(self, images: torch.Tensor) -> torch.Tensor:
        target = (math.floor(self.height / self.crop_fraction), math.floor(self.width / self.crop_fraction))
        height, width = images.shape[-2:]
        if self.resize == "shortest":
            scale = max(target[0] / height, target[1] / width)
            # the side that sets the scale is exact; the other is cut off, as torchvision does
            target = (
                max(target[0], math.floor(height * scale + 1e-9)),
                max(target[1], math.floor(width * scale + 1e-9)),
            )
        if target == (height, width):
            return images
        if self.interpolation == "nearest":
            return functional.interpolate(images, size=target, mode="nearest-exact")
        resized = functional.interpolate(
            images, size=target, mode=self.interpolation, align_corners=False, antialias=self.antialias
        )
        return resized.clamp(0.0, 1.0)


def _centre_crop(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    top = round((images.shape[-2] - height) / 2)
    left = round((images.shape[-1] - width) / 2)
    return images[..., top : top + height, left : left + width].contiguous()


def _per_channel(name: str, values: Any, channels: int) -> tuple[float, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, float, int)):
        raise ConfigError(f"`preprocessing.{name}` must be a list of numbers, got {values!r}")
    numbers = tuple(values) if isinstance(values, Sequence) else (values,)
    checked = tuple(require_range(f"preprocessing.{name}", v) for v in numbers)
    if len(checked) == 1:
        return checked * channels
    if len(checked) != channels:
        raise ConfigError(f"`preprocessing.{name}` must have 1 or {channels} numbers, got {len(checked)}")
    return checked
