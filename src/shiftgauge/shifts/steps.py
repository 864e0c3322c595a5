"""Which function does the work of each shift, and what it is fed with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

import torch
from torch import Tensor

from shiftgauge.shifts import draw, optical, photometric, sensor
from shiftgauge.shifts.catalog import get


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of a batch that a step works on.

    Args:
        names: Names of the columns.
        theta_np: Values, (N, P) float64 on the CPU.
        streams_n: Stream numbers, (N,) int64.
        seed: Seed of the pipeline.

    Example:
        >>> rows = Rows(names=("hue",), theta_np=torch.tensor([[9.0]]), streams_n=torch.zeros(1).long(), seed=0)
        >>> rows.value("hue").tolist(), rows.value("illumination_angle").tolist()
        ([9.0], [0.0])
    """

    names: tuple[str, ...]
    theta_np: Tensor
    streams_n: Tensor
    seed: int

    def value(self, name: str) -> Tensor:
        """Values of a shift, (N,); its neutral setting where it is not among the names."""
        if name in self.names:
            return self.theta_np[:, self.names.index(name)]
        return torch.full((len(self.theta_np),), get(name).identity, dtype=self.theta_np.dtype)

    def normal(self, name: str, images_nchw: Tensor) -> Tensor:
        """Standard normal numbers for every pixel and channel, (N, C, H, W)."""
        return draw.normal(self.seed, name, self.streams_n, tuple(images_nchw.shape[1:]))

    def uniform(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Uniform numbers, (N, *shape)."""
        return draw.uniform(self.seed, name, self.streams_n, shape)


Step: TypeAlias = Callable[[Tensor, Rows], Tensor]


def _plain(name: str, apply: Callable[..., Tensor], *companions: str) -> Step:
    return lambda images, rows: apply(images, rows.value(name), *(rows.value(other) for other in companions))


def _noisy(name: str, apply: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Step:
    return lambda images, rows: apply(images, rows.value(name), rows.normal(name, images))


def _salt_pepper(images: Tensor, rows: Rows) -> Tensor:
    one_plane = (1, *images.shape[-2:])
    return sensor.salt_pepper(images, rows.value("salt_pepper"), rows.uniform("salt_pepper", one_plane))


def _occlusion(images: Tensor, rows: Rows) -> Tensor:
    drawn = rows.uniform("occlusion", (2,)).double()
    x, y = (
        rows.value(name) if name in rows.names else drawn[:, k] for k, name in enumerate(("occlusion_x", "occlusion_y"))
    )
    return sensor.occlusion(images, rows.value("occlusion"), x, y, rows.value("occlusion_level"))


STEPS: Final[Mapping[str, Step]] = MappingProxyType(
    {
        "uneven_illumination": _plain("uneven_illumination", photometric.uneven_illumination, "illumination_angle"),
        "exposure": _plain("exposure", photometric.exposure),
        "brightness": _plain("brightness", photometric.brightness),
        "contrast": _plain("contrast", photometric.contrast),
        "gamma": _plain("gamma", photometric.gamma),
        "saturation": _plain("saturation", photometric.saturation),
        "hue": _plain("hue", photometric.hue),
        "defocus": _plain("defocus", optical.defocus),
        "motion_blur": _plain("motion_blur", optical.motion_blur, "motion_blur_angle"),
        "gaussian_blur": _plain("gaussian_blur", optical.gaussian_blur),
        "sharpness": _plain("sharpness", optical.sharpness),
        "occlusion": _occlusion,
        "shot_noise": _noisy("shot_noise", sensor.shot_noise),
        "gaussian_noise": _noisy("gaussian_noise", sensor.gaussian_noise),
        "noise_snr": _noisy("noise_snr", sensor.noise_snr),
        "salt_pepper": _salt_pepper,
        "bit_depth": _plain("bit_depth", sensor.bit_depth),
        "jpeg_quality": _plain("jpeg_quality", sensor.jpeg_quality),
    }
)
"""The work of every shift but the geometric ones, which the pipeline merges."""
