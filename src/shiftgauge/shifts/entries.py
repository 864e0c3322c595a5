"""The entries of the catalogue: what each shift means, its unit, its identity value and its valid range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from shiftgauge.checks import require_range

Stage: TypeAlias = Literal["scene", "geometry", "optics", "sensor"]

STAGES: Final[tuple[Stage, ...]] = ("scene", "geometry", "optics", "sensor")
"""The order in which a camera meets the shifts: light, pose, lens, chip."""


@dataclass(frozen=True, kw_only=True)
class Shift:
    """One scalar change of an image.

    Args:
        name: Name in configurations and tables.
        stage: Where in the camera's order it acts: scene, geometry, optics or sensor.
        unit: Physical unit, for display ("" when dimensionless).
        identity: The value that leaves an image bit for bit as it was.
        low: Smallest valid value.
        high: Largest valid value.
        differentiable: Whether gradients flow to the parameter.
        random: Whether the outcome depends on the stream number of the row.
        summary: What it does, in one sentence.
        default: A sensible distribution, in the form that `Parameter` takes.
        companion_of: The shift that this one only qualifies (an angle, a place); "" for a shift of its own.
        settles: True for a companion that fixes what its main shift would otherwise draw at random.
        channels: The number of channels an image must have; None for any.

    Example:
        >>> rotation = next(shift for shift in ENTRIES if shift.name == "rotation")
        >>> rotation.identity, rotation.unit
        (0.0, '°')
    """

    name: str
    stage: Stage
    unit: str
    identity: float
    low: float
    high: float
    differentiable: bool = True
    random: bool = False
    summary: str
    default: Mapping[str, Any] = field(default_factory=dict)
    companion_of: str = ""
    settles: bool = False
    channels: int | None = None

    def check(self, value: float, where: str = "") -> float:
        """Returns `value` when it is a finite number in [`low`, `high`].

        Args:
            value: The value to check.
            where: Put into the message, such as "in row 3".

        Raises:
            ConfigError: The value is not in the valid range; the message names range and identity.

        Example:
            >>> next(shift for shift in ENTRIES if shift.name == "brightness").check(0.5)
            0.5
        """
        end = "is its neutral setting" if self.companion_of else "leaves an image unchanged"
        hint = f"{where}; {self.identity:g} {end}" if where else f"{self.identity:g} {end}"
        return require_range(self.name, value, self.low, self.high, hint=hint)


def _uniform(low: float, high: float) -> dict[str, Any]:
    return {"distribution": "uniform", "low": low, "high": high}


def _loguniform(low: float, high: float) -> dict[str, Any]:
    return {"distribution": "loguniform", "low": low, "high": high}


def _shift(
    stage: Stage, name: str, unit: str, identity: float, low: float, high: float, summary: str, **more: Any
) -> Shift:
    return Shift(
        name=name,
        stage=stage,
        unit=unit,
        identity=float(identity),
        low=float(low),
        high=float(high),
        summary=summary,
        **more,
    )


ENTRIES: Final[tuple[Shift, ...]] = (
    _shift(
        "scene", "uneven_illumination", "", 0, 0, 1,
        "Light falls off in a straight line: gain from 1 - s at one side to 1 + s at the other, clipped at 1.",
        default=_uniform(0, 0.5),
    ),
    _shift(
        "scene", "illumination_angle", "°", 0, -360, 360,
        "Side of uneven_illumination that is bright: 0 right, 90 top, counter-clockwise.",
        default=_uniform(-180, 180), companion_of="uneven_illumination",
    ),
    _shift(
        "scene", "exposure", "EV", 0, -10, 10,
        "Light multiplied by 2^EV in linear light (sRGB curve undone and redone), clipped at 1.",
        default=_uniform(-1, 1),
    ),
    _shift(
        "scene", "brightness", "", 1, 0, 10,
        "Pixel values multiplied by the factor, clipped at 1; 0 is a black image.",
        default=_uniform(0.5, 1.5),
    ),
    _shift(
        "scene", "contrast", "", 1, 0, 10,
        "Pixel values stretched about the image's mean grey; 0 is a plain grey image.",
        default=_uniform(0.5, 1.5),
    ),
    _shift(
        "scene", "gamma", "", 1, 0.05, 20,
        "Pixel values raised to the power gamma.",
        default=_loguniform(0.5, 2),
    ),
    _shift(
        "scene", "saturation", "", 1, 0, 10,
        "Colours stretched about their own grey; 0 is a grey image. Three channels only.",
        default=_uniform(0, 2), channels=3,
    ),
    _shift(
        "scene", "hue", "°", 0, -180, 180,
        "Colours turned round the HSV colour circle. Three channels only.",
        default=_uniform(-30, 30), channels=3,
    ),
    _shift(
        "geometry", "shear_x", "°", 0, -60, 60,
        "Rows slid sideways: upright lines lean by the angle, lower end to the right.",
        default=_uniform(-15, 15),
    ),
    _shift(
        "geometry", "shear_y", "°", 0, -60, 60,
        "Columns slid up or down: level lines lean by the angle, right end down.",
        default=_uniform(-15, 15),
    ),
    _shift(
        "geometry", "scale", "", 1, 0.05, 20,
        "Picture enlarged about its centre; below 1 it is smoothed first, so that fine detail does not alias.",
        default=_loguniform(0.8, 1.25),
    ),
    _shift(
        "geometry", "rotation", "°", 0, -360, 360,
        "Picture turned about its centre, counter-clockwise.",
        default=_uniform(-30, 30),
    ),
    _shift(
        "geometry", "tilt", "°", 0, -85, 85,
        "Pictured plane turned about its horizontal centre line before the camera; positive: top edge goes away.",
        default=_uniform(-20, 20),
    ),
    _shift(
        "geometry", "pan", "°", 0, -85, 85,
        "Pictured plane turned about its vertical centre line before the camera; positive: right edge goes away.",
        default=_uniform(-20, 20),
    ),
    _shift(
        "geometry", "translate_x", "width", 0, -2, 2,
        "Picture moved to the right by this fraction of its width.",
        default=_uniform(-0.1, 0.1),
    ),
    _shift(
        "geometry", "translate_y", "height", 0, -2, 2,
        "Picture moved down by this fraction of its height.",
        default=_uniform(-0.1, 0.1),
    ),
    _shift(
        "optics", "defocus", "px", 0, 0, 30,
        "Blur by an even disc of this radius, as of a lens out of focus.",
        default=_uniform(0, 4),
    ),
    _shift(
        "optics", "motion_blur", "px", 0, 0, 60,
        "Blur along a straight line of this length.",
        default=_uniform(0, 12),
    ),
    _shift(
        "optics", "motion_blur_angle", "°", 0, -360, 360,
        "Direction of motion_blur: 0 level, 90 upright, counter-clockwise.",
        default=_uniform(-90, 90), companion_of="motion_blur",
    ),
    _shift(
        "optics", "gaussian_blur", "px", 0, 0, 30,
        "Blur by a Gaussian of this standard deviation.",
        default=_uniform(0, 3),
    ),
    _shift(
        "optics", "sharpness", "", 1, 0, 20,
        "Blend with a 3 x 3 smoothed copy: 0 smoothed, above 1 sharpened.",
        default=_uniform(0, 3),
    ),
    _shift(
        "sensor", "occlusion", "area", 0, 0, 1,
        "A rectangle of the image's proportions hides this fraction of the area, at a random place unless told.",
        default=_uniform(0, 0.2), random=True,
    ),
    _shift(
        "sensor", "occlusion_x", "width", 0.5, 0, 1,
        "Place of occlusion: 0 at the left edge, 1 at the right.",
        default=_uniform(0, 1), companion_of="occlusion", settles=True,
    ),
    _shift(
        "sensor", "occlusion_y", "height", 0.5, 0, 1,
        "Place of occlusion: 0 at the top edge, 1 at the bottom.",
        default=_uniform(0, 1), companion_of="occlusion", settles=True,
    ),
    _shift(
        "sensor", "occlusion_level", "", 0, 0, 1,
        "Grey level of the occluding rectangle: 0 black, 1 white.",
        default=_uniform(0, 1), companion_of="occlusion",
    ),
    _shift(
        "sensor", "shot_noise", "photons", 1e12, 1, 1e12,
        "Poisson noise of a pixel that holds this many photons at full scale; 1e12 is off.",
        default=_loguniform(30, 3000), differentiable=False, random=True,
    ),
    _shift(
        "sensor", "gaussian_noise", "", 0, 0, 1,
        "Independent normal noise of this standard deviation, clipped to [0, 1].",
        default=_uniform(0, 0.1), random=True,
    ),
    _shift(
        "sensor", "noise_snr", "dB", 120, -20, 120,
        "Independent normal noise at this ratio of the image's mean square to the noise variance; 120 is off.",
        default=_uniform(10, 40), random=True,
    ),
    _shift(
        "sensor", "salt_pepper", "fraction", 0, 0, 1,
        "This fraction of the pixels is stuck, half at white and half at black.",
        default=_uniform(0, 0.1), differentiable=False, random=True,
    ),
    _shift(
        "sensor", "bit_depth", "bits", 16, 1, 16,
        "Values rounded to 2^bits even levels; 16 is off.",
        default=_uniform(2, 8), differentiable=False,
    ),
    _shift(
        "sensor", "jpeg_quality", "", 101, 1, 101,
        "Coded and decoded as JPEG at this quality, 1 to 100, rounded; 101 is off (100 still loses a little).",
        default=_uniform(10, 100), differentiable=False,
    ),
)  # fmt: skip
"""Every shift, in the default order of application."""
