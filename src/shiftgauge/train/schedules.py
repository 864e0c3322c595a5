"""Learning-rate schedules: what the base rate is multiplied by in each epoch or step, as a pure function.

Nothing is kept between epochs, so a resumed run gets the rates of an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError

ScheduleKind: TypeAlias = Literal["constant", "step", "cosine", "warm_restarts", "weld", "plateau", "cyclic"]

_FACTORS: Final[Mapping[str, float]] = MappingProxyType({"step": 0.1, "plateau": 0.5})
"""By what `step` and `plateau` multiply where no factor is given."""
WITHIN_EPOCHS: Final[tuple[str, ...]] = ("cyclic",)
"""Kinds whose rate changes from step to step; all others hold it for an epoch."""
_WELD_FLAT, _WELD_FALL, _WELD_LOW = 3, 7, 0.1


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions:
    """How the learning rate changes. Epochs count from 0, after any warm-up.

    Args:
        kind: `constant`: 1. `step`: factor^⌊e / step_epochs⌋. `cosine`: m + (1 − m) (1 + cos(π e / E)) / 2 over the E
            epochs after the warm-up, m the `minimum`. `warm_restarts`: the same within periods that start afresh, the
            first of `period_epochs`, each `period_growth` times as long as the one before. `weld`: 1 for three epochs,
            then a half cosine down to 0.1 within seven, then 0.1. `plateau`: times `factor` whenever the monitored
            value has not improved for `patience` epochs in a row. `cyclic`: from step to step in a straight line from
            0 to 1 at the share `peak` of the training, and in another down to m.
        factor: What `step` and `plateau` multiply by, in (0, 1); default 0.1 for `step`, 0.5 for `plateau`.
        step_epochs: Epochs between two steps, ≥ 1.
        period_epochs: Epochs of the first period of `warm_restarts`, ≥ 1.
        period_growth: Length of a period over that of the one before, a whole number ≥ 1.
        patience: Epochs without improvement after which `plateau` acts, ≥ 1: with 3 the fourth epoch after the best
            one is trained at the lower rate.
        min_change: By how much a value must beat the best one to be an improvement, ≥ 0.
        mode: `max` where a larger monitored value is better, `min` where a smaller one is.
        minimum: Smallest multiplier of `cosine`, `warm_restarts` and `plateau`, and last one of `cyclic`, in [0, 1].
        peak: Share of the training after which `cyclic` has its largest rate, in (0, 1); one half is that of fast
            adversarial training on CIFAR-10.
        warmup_epochs: Epochs W of a straight rise before all that, (e + 1) / (W + 1), ≥ 0; default 1 for `cosine`, no
            warm-up for the others.

    Raises:
        ConfigError: An unknown word or a number outside its range.

    Example:
        >>> ScheduleOptions(kind="warm_restarts", period_epochs=10, period_growth=2).minimum
        0.0

    References:
        Loshchilov, I., Hutter, F. (2017). SGDR: Stochastic gradient descent with warm restarts. arXiv:1608.03983
        Smith, L. N. (2017). Cyclical learning rates for training neural networks. arXiv:1506.01186
        Wong, E., Rice, L., Kolter, J. Z. (2020). Fast is better than free: revisiting adversarial training.
        arXiv:2001.03994
    """

    kind: ScheduleKind = "constant"
    factor: float | None = None
    step_epochs: int = 10
    period_epochs: int = 10
    period_growth: int = 2
    patience: int = 3
    min_change: float = 0.0
    mode: Literal["max", "min"] = "max"
    minimum: float = 0.0
    warmup_epochs: int | None = None
    peak: float = 0.5

    def __post_init__(self) -> None:
        require_in("schedule", self.kind, get_args(ScheduleKind))
        require_in("mode", self.mode, ("max", "min"))
        for name in ("step_epochs", "period_epochs", "period_growth", "patience"):
            require_positive_int(name, getattr(self, name))
        require_positive_int("warmup_epochs", self.warmup, low=0)
        require_range("min_change", self.min_change, 0)
        require_range("minimum", self.minimum, 0, 1)
        if not 0 < require_range("peak", self.peak, 0, 1) < 1:
            raise ConfigError(f"`peak` must be above 0 and below 1, got {self.peak:g}; 0.5 rises as long as it falls")
        if self.factor is not None and not 0 < require_range("factor", self.factor, 0, 1) < 1:
            raise ConfigError(f"`factor` must be above 0 and below 1, got {self.factor:g}; 0.1 or 0.5 are customary")

    @property
    def warmup(self) -> int:
        """Epochs of the warm-up: `warmup_epochs`, or what the kind has where that is left out."""
        return int(self.kind == "cosine") if self.warmup_epochs is None else self.warmup_epochs


def multiplier(
    options: ScheduleOptions, epoch: int, epochs: int, history: Sequence[float] = (), *, within: float = 0.0
) -> float:
    """Returns what the base learning rate is multiplied by in an epoch, or at a point within it.

    Args:
        options: The schedule.
        epoch: Number of the epoch that is about to begin, in [0, `epochs`).
        epochs: Epochs of the whole training, ≥ 1.
        history: Monitored value after each finished epoch, the first one first; only `plateau` reads it, and of it
            the first `epoch` values. A value that is NaN is no improvement.
        within: Share of the epoch that is done, in [0, 1); only kinds of `WITHIN_EPOCHS` read it. The middle of step i
            of n is (i + 1/2) / n, so that no step is wasted on the rate 0.

    Returns:
        A number in [0, 1].

    Raises:
        ConfigError: An epoch outside the training, a warm-up as long as it, or a history of `plateau` with gaps.

    Example:
        >>> [round(multiplier(ScheduleOptions(kind="weld"), e, 13), 4) for e in range(13)]
        [1.0, 1.0, 1.0, 1.0, 0.9554, 0.8306, 0.6501, 0.4499, 0.2694, 0.1446, 0.1, 0.1, 0.1]
        >>> [multiplier(ScheduleOptions(kind="plateau"), e, 6, [0.7, 0.6, 0.7, 0.5, 0.8]) for e in range(6)]
        [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]
    """
    require_positive_int("epochs", epochs)
    if not 0 <= require_positive_int("epoch", epoch, low=0) < epochs:
        raise ConfigError(f"`epoch` must be below `epochs`, got {epoch} of {epochs}; epochs count from 0")
    warmup = options.warmup
    if warmup >= epochs:
        raise ConfigError(
            f"`warmup_epochs` must be below the number of epochs, got {warmup} of {epochs}; warm up for fewer epochs"
        )
    if options.kind == "plateau" and len(history) < epoch:
        raise ConfigError(
            f"`plateau` needs the monitored value of each of the {epoch} finished epochs, got {len(history)}; "
            "validate after every epoch, or take another schedule"
        )
    if epoch < warmup:
        return (epoch + 1) / (warmup + 1)
    if options.kind == "plateau":
        return _plateau(options, history[:epoch])
    if options.kind == "cyclic":
        return _cyclic(options, (epoch - warmup + within) / (epochs - warmup))
    return _CURVES[options.kind](options, epoch - warmup, epochs - warmup)


def _constant(options: ScheduleOptions, epoch: int, epochs: int) -> float:
    return 1.0


def _step(options: ScheduleOptions, epoch: int, epochs: int) -> float:
    return _factor(options) ** (epoch // options.step_epochs)


def _cosine(options: ScheduleOptions, epoch: int, epochs: int) -> float:
    return _fall(epoch / epochs, options.minimum)


def _warm_restarts(options: ScheduleOptions, epoch: int, epochs: int) -> float:
    start, length = 0, options.period_epochs
    while epoch >= start + length:
        start, length = start + length, length * options.period_growth
    return _fall((epoch - start) / length, options.minimum)


def _weld(options: ScheduleOptions, epoch: int, epochs: int) -> float:
    return _fall(min(max((epoch - _WELD_FLAT) / _WELD_FALL, 0.0), 1.0), _WELD_LOW)


_CURVES: Final[Mapping[str, Callable[[ScheduleOptions, int, int], float]]] = MappingProxyType(
    {"constant": _constant, "step": _step, "cosine": _cosine, "warm_restarts": _warm_restarts, "weld": _weld}
)


def _cyclic(options: ScheduleOptions, done: float) -> float:
    if done < options.peak:
        return done / options.peak
    return options.minimum + (1 - options.minimum) * (1 - done) / (1 - options.peak)


def _plateau(options: ScheduleOptions, history: Sequence[float]) -> float:
    """The multiplier after a history; an epoch of the warm-up may be the best one, but none counts as a bad one."""
    sign = 1 if options.mode == "max" else -1
    best, bad, cuts = -math.inf, 0, 0
    for epoch, value in enumerate(history):
        if sign * value > best + (options.min_change if math.isfinite(best) else 0.0):
            best, bad = sign * value, 0
        elif epoch >= options.warmup:
            bad += 1
        if bad == options.patience:
            bad, cuts = 0, cuts + 1
    return max(_factor(options) ** cuts, options.minimum)


def _factor(options: ScheduleOptions) -> float:
    return _FACTORS[options.kind] if options.factor is None else options.factor


def _fall(share: float, low: float) -> float:
    """Half a cosine from 1 down to `low` as `share` goes from 0 to 1."""
    return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * share))
