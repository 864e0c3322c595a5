"""What is done to classifiers on purpose and by nature, and how loud."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Final

from shiftgauge.attack.budget import Budget, SnrOf, budgets_at, budgets_at_snr
from shiftgauge.attack.fgsm import FGSM
from shiftgauge.attack.kinds import Attack, attack_to_dict
from shiftgauge.attack.noise import UniformNoise
from shiftgauge.attack.pgd import PGD
from shiftgauge.attack.snr import NormName
from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.models.input_scale import ScaleName
from shiftgauge.random import check_seed
from shiftgauge.shifts.catalog import get
from shiftgauge.shifts.limits import Fill, Interpolation

SNR_DB: Final = (60.0, 55.0, 50.0, 45.0, 40.0, 36.0, 33.0, 30.0)
"""Ratios at which attacks and noise are asked for where nothing else is said, in dB."""
PICTURES_DB: Final = (50.0, 45.0, 40.0, 33.0)
"""Ratios of the picture panels, those of the published eye-state study."""


@dataclass(frozen=True, kw_only=True)
class NaturalLevels:
    """A shift of the catalogue at several strengths.

    Args:
        name: Of the shift, such as `gaussian_blur`.
        levels: Its values, at least one, each within its valid range.
        beside: Values of the shifts that qualify it, such as `motion_blur_angle`.

    Raises:
        ConfigError: An unknown shift, no level, or a value outside the valid range.

    Example:
        >>> NaturalLevels(name="motion_blur", levels=(2, 4), beside={"motion_blur_angle": 30}).unit
        'px'
    """

    name: str
    levels: tuple[float, ...]
    beside: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        entry = get(self.name)
        if entry.companion_of:
            raise ConfigError(f"`{self.name}` only qualifies `{entry.companion_of}`; give it in `beside` of that shift")
        if not self.levels:
            raise ConfigError(f"the shift `{self.name}` needs at least one of `levels`")
        object.__setattr__(self, "levels", tuple(entry.check(float(level)) for level in self.levels))
        for name, value in self.beside.items():
            if get(name).companion_of != self.name:
                raise ConfigError(f"`{name}` does not qualify the shift `{self.name}`; leave it out of `beside`")
            get(name).check(float(value))
        object.__setattr__(self, "beside", MappingProxyType({k: float(v) for k, v in self.beside.items()}))

    @property
    def unit(self) -> str:
        """Unit of the levels; may be empty."""
        return get(self.name).unit

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values."""
        return {"name": self.name, "levels": list(self.levels), "beside": dict(self.beside)}


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """Which attacked images are shown.

    Args:
        images: How many, ≥ 1; one of each class in turn.
        snr_db: Ratios at which each is shown, image by image, in dB.
        ways: Attacks and noises that are shown; None for the first attack by gradients (else the first of all).
        models: Models on which they are made; None for all.
    """

    images: int = 2
    snr_db: tuple[float, ...] = PICTURES_DB
    ways: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        require_positive_int("images", self.images)
        if not self.snr_db:
            raise ConfigError("pictures need at least one ratio in `snr_db`; leave them out with false")
        object.__setattr__(self, "snr_db", tuple(require_range("snr_db", value) for value in self.snr_db))

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def _default_attacks() -> dict[str, Attack]:
    return {"fgsm": FGSM(), "pgd": PGD(), "noise": UniformNoise()}


@dataclass(frozen=True, kw_only=True)
class AttackOptions:
    """How classifiers are attacked, and what natural changes stand beside it.

    Args:
        attacks: Attacks and noises by name.
        shifts: Natural shifts at several levels.
        snr_db: Ratios at which attacks and noise are asked for, in dB, each once; None with `epsilon`.
        epsilon: Lengths ε at which they are asked for instead.
        snr_of: `image`: ratios hold for each image; `set`: one ε for all.
        unit: `pixel` ([0, 1]) or `input` (as each network sees it).
        norm: Of the balls, `linf` or `l2`.
        bounds: Range in which attacked pixels must stay, or None for none.
        target: Class to be reached, or None for any but the true one. Images of that class are left out.
        success_only: Leave an image as it is once it fools, so that accuracy only falls from budget to budget.
        transfer: Try the images made on each model on every other; None does so where there are several models and
            neither target nor `success_only`.
        pictures: Which attacked images are shown; None for none.
        images: At most so many images, the same share of each class; None for all.
        groups: Take intervals from resamples of whole groups where the data state groups.
        at: Ratio or ε that the headline is about, one of those asked for; None for the one in the middle.
        fill: What lies outside the picture under geometric shifts.
        fill_value: The constant of `fill`.
        field_of_view_deg: Angle under which the camera of tilt and pan sees the longer side.
        interpolation: How geometric shifts resample.
        confidence_level: Of all intervals, in [0.5, 0.999].
        resamples: Of groups, ≥ 1.
        batch_size: Images in one pass; None for what suits their size.
        seed: Of all draws.

    Raises:
        ConfigError: Nothing to do, options that do not go together, or a value outside its range.

    Example:
        >>> options = AttackOptions(epsilon=(0.01, 0.02, 0.05), snr_db=None)
        >>> options.asked, options.headline_at
        ((0.01, 0.02, 0.05), 0.02)
    """

    attacks: Mapping[str, Attack] = field(default_factory=_default_attacks)
    shifts: tuple[NaturalLevels, ...] = ()
    snr_db: tuple[float, ...] | None = SNR_DB
    epsilon: tuple[float, ...] | None = None
    snr_of: SnrOf = "image"
    unit: ScaleName = "pixel"
    norm: NormName = "linf"
    bounds: tuple[float, float] | None = None
    target: str | None = None
    success_only: bool = False
    transfer: bool | None = None
    pictures: PictureOptions | None = field(default_factory=PictureOptions)
    images: int | None = None
    groups: bool = True
    at: float | None = None
    fill: Fill = "constant"
    fill_value: float = 0.0
    field_of_view_deg: float = 53.0
    interpolation: Interpolation = "bilinear"
    confidence_level: float = 0.95
    resamples: int = 2000
    batch_size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "attacks", MappingProxyType(dict(self.attacks)))
        if (self.snr_db is None) == (self.epsilon is None):
            raise ConfigError("give either `snr_db` or `epsilon`, and not both")
        _ = self.budgets  # checks norm, unit, bounds and every value
        require_range("confidence_level", self.confidence_level, 0.5, 0.999)
        for name in ("images", "batch_size"):
            if getattr(self, name) is not None:
                require_positive_int(name, getattr(self, name))
        require_positive_int("resamples", self.resamples)
        check_seed(self.seed)
        self._agree()

    def _agree(self) -> None:
        """Refuses what does not go together."""
        ways = [*self.attacks, *(shift.name for shift in self.shifts)]
        if not ways:
            raise ConfigError("there is nothing to do: give at least one of `attacks` or `shifts`")
        _once("ways", ways)
        _once(self.asked_as, self.asked)
        if self.attacks and not self.asked:
            raise ConfigError(f"`{self.asked_as}` must hold at least one value for the attacks")
        if self.at is not None and self.at not in self.asked:
            raise ConfigError(f"`at` must be one of {_listed(self.asked)}, those of `{self.asked_as}`, got {self.at:g}")
        if self.transfer and (self.target is not None or self.success_only):
            other = "target" if self.target is not None else "success_only"
            raise ConfigError(f"`transfer` does not go with `{other}`; leave one of them out")
        for name in (self.pictures.ways or ()) if self.pictures is not None else ():
            require_in("pictures.ways", name, tuple(self.attacks))

    @property
    def asked_as(self) -> str:
        """`snr_db` or `epsilon`."""
        return "epsilon" if self.snr_db is None else "snr_db"

    @property
    def asked(self) -> tuple[float, ...]:
        """The ratios or ε asked for, from the quietest to the loudest."""
        if self.snr_db is not None:
            return tuple(sorted((float(v) for v in self.snr_db), reverse=True))
        return tuple(sorted(float(v) for v in self.epsilon or ()))

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """What attacks and noise may do, from the quietest to the loudest."""
        if self.snr_db is None:
            return budgets_at(self.asked, unit=self.unit, norm=self.norm, bounds=self.bounds)
        return budgets_at_snr(self.asked, of=self.snr_of, unit=self.unit, norm=self.norm, bounds=self.bounds)

    @property
    def headline_at(self) -> float:
        """The ratio or ε of the headline, one that allows a change if any does; NaN where nothing is attacked."""
        if self.at is not None:
            return self.at
        known = [value for value in self.asked if math.isfinite(value) and (self.snr_db is not None or value > 0)]
        return known[len(known) // 2] if known else (*self.asked, math.nan)[0]

    @property
    def adversarial(self) -> tuple[str, ...]:
        """Names of the attacks that are no noise."""
        return tuple(name for name, attack in self.attacks.items() if not attack.is_noise)

    def wants_transfer(self, models: int) -> bool:
        """Whether images made on one of so many models are tried on the others."""
        if self.transfer is None:
            return models > 1 and bool(self.adversarial) and self.target is None and not self.success_only
        return self.transfer and models > 1 and bool(self.adversarial)

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as plain JSON-able values."""
        names = ("snr_of", "unit", "norm", "target", "success_only", "transfer", "images", "groups", "at", "fill",
                 "fill_value", "field_of_view_deg", "interpolation", "confidence_level", "resamples", "batch_size",
                 "seed")  # fmt: skip
        return {
            "attacks": {name: attack_to_dict(attack) for name, attack in self.attacks.items()},
            "shifts": [shift.to_dict() for shift in self.shifts],
            "snr_db": None if self.snr_db is None else [_plain(value) for value in self.asked],
            "epsilon": None if self.epsilon is None else list(self.asked),
            "bounds": None if self.bounds is None else list(self.bounds),
            "pictures": None if self.pictures is None else self.pictures.to_dict(),
            **{name: getattr(self, name) for name in names},
        }


def _once(name: str, values: Sequence[Any]) -> None:
    twice = next((value for value in values if list(values).count(value) > 1), None)
    if twice is not None:
        raise ConfigError(f"`{name}` names `{twice}` twice; give each once")


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _plain(value: float) -> float | str:
    return "inf" if math.isinf(value) else value
