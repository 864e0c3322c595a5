"""What a training does against adversarial images: the method, its budget, and how the network stands meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, get_args

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.train.inner_mode import DEFAULT_INNER_MODE, INNER_MODES, InnerMode

AdversarialMethod: TypeAlias = Literal["fgsm", "pgd", "trades", "free", "fast"]
DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "fgsm": {"share": 0.5, "ramp": True, "inner_mode": DEFAULT_INNER_MODE},
        "pgd": {"steps": 10, "relative_step": 0.25, "share": 1.0, "ramp": False, "inner_mode": DEFAULT_INNER_MODE},
        "trades": {"steps": 10, "relative_step": 0.25, "beta": 6.0, "inner_mode": DEFAULT_INNER_MODE},
        "free": {"replays": 8, "relative_step": 1.0},
        "fast": {"relative_step": 1.25, "share": 1.0, "ramp": False, "inner_mode": DEFAULT_INNER_MODE},
    }
)
"""Method → the options that count with it, and what they are where nothing is said."""


@dataclass(frozen=True, kw_only=True)
class AdversarialOptions:
    r"""Adversarial training: $\min_\theta E \max_{\|\delta\| \le \epsilon} L$, or what stands in for it.

    An option that does not count with the method is an error rather than left aside.

    Args:
        method: `fgsm`: the last images of every batch give way to FGSM copies, half of them, with ε rising from place
            to place (the published half-batch training: `epsilon: 0.032, unit: input, clip: false`, batches of 64).
            `pgd` (default): every image gives way to what PGD finds near it (Madry et al.). `trades`: the loss of clean
            images and β times how far the worst images near them move the answer (Zhang et al.). `free`: every batch
            several times in a row, the gradient of each step moving weights and perturbation both (Shafahi et al.).
            `fast`: one step of 1.25 ε from a random start (Wong et al.), best with the schedule `cyclic`.
        epsilon: ε > 0, the largest.
        unit: `pixel` (default): of [0, 1]. `input`: of the network's input scale, ε σ_c in pixels in channel c.
        norm: `linf` (default) or `l2`.
        share: For `fgsm` (default 0.5), `pgd` and `fast` (1): share of each batch that is replaced, in (0, 1].
        ramp: For the same: ε of the i-th of m replaced images is i ε / m. Default true for `fgsm`, else false.
        steps: For `pgd` and `trades`: steps of the search, ≥ 1; default 10.
        relative_step: Size of a step over ε, > 0: default 0.25 for `pgd` and `trades`, 1.25 for `fast`, 1 for `free`.
        beta: For `trades`: β ≥ 0; default 6.
        replays: For `free`: steps on each batch, ≥ 1; default 8. An epoch costs as many times as much: the publication
            divides the number of epochs by it.
        clip: Keep images in [0, 1] (default). The publication of the half-batch training does not.
        inner_mode: For all but `free`: `eval` (default): the search sees the network with running averages and without
            dropout. `train`: with the statistics of the batch and with dropout. In neither do running averages move
            during the search; see `shiftgauge.train.inner_mode`.

    Raises:
        ConfigError: An unknown word, a number outside its range, or an option that does not count with the method.

    Example:
        >>> AdversarialOptions(method="fgsm", epsilon=0.032, unit="input", clip=False).share
        0.5
        >>> AdversarialOptions(method="fast", epsilon=8 / 255).to_dict()["relative_step"]
        1.25

    References:
        Madry, A., Makelov, A., Schmidt, L., Tsipras, D., Vladu, A. (2018). Towards deep learning models resistant to
        adversarial attacks. arXiv:1706.06083
        Zhang, H., Yu, Y., Jiao, J., Xing, E. P., El Ghaoui, L., Jordan, M. I. (2019). Theoretically principled
        trade-off between robustness and accuracy. arXiv:1901.08573
        Shafahi, A., Najibi, M., Ghiasi, A., Xu, Z., Dickerson, J., Studer, C., Davis, L. S., Taylor, G., Goldstein, T.
        (2019). Adversarial training for free! arXiv:1904.12843
        Wong, E., Rice, L., Kolter, J. Z. (2020). Fast is better than free: revisiting adversarial training.
        arXiv:2001.03994
    """

    method: AdversarialMethod = "pgd"
    epsilon: float
    unit: Literal["pixel", "input"] = "pixel"
    norm: Literal["linf", "l2"] = "linf"
    share: float | None = None
    ramp: bool | None = None
    steps: int | None = None
    relative_step: float | None = None
    beta: float | None = None
    replays: int | None = None
    clip: bool = True
    inner_mode: InnerMode | None = None

    def __post_init__(self) -> None:
        require_in("method of adversarial training", self.method, get_args(AdversarialMethod))
        require_in("unit", self.unit, ("pixel", "input"))
        require_in("norm", self.norm, ("linf", "l2"))
        if require_range("epsilon", self.epsilon, 0) == 0:
            raise ConfigError("`epsilon` must be above 0, got 0; leave `adversarial` out for a plain training")
        if not isinstance(self.clip, bool):
            raise ConfigError(f"`clip` must be true or false, got {self.clip!r}")
        self._fill()
        self._check()

    def _fill(self) -> None:
        """Fills in what is left to the method.

        Raises:
            ConfigError: An option of other methods.
        """
        own = DEFAULTS[self.method]
        for name in sorted({name for names in DEFAULTS.values() for name in names}):
            given = getattr(self, name)
            if name in own:
                object.__setattr__(self, name, own[name] if given is None else given)
            elif given is not None:
                others = [method for method, names in DEFAULTS.items() if name in names]
                where = others[0] if len(others) == 1 else f"{', '.join(others[:-1])} or {others[-1]}"
                raise ConfigError(
                    f"`{name}` counts with `method` {where} alone, got it with {self.method}; leave it out, or take "
                    "another method"
                )

    def _check(self) -> None:
        for name in ("steps", "replays"):
            if getattr(self, name) is not None:
                require_positive_int(name, getattr(self, name))
        if self.beta is not None:
            require_range("beta", self.beta, 0, hint="6 is the published value")
        for name, high in (("share", 1.0), ("relative_step", 100.0)):
            value = getattr(self, name)
            if value is not None and require_range(name, value, 0, high) == 0:
                raise ConfigError(f"`{name}` must be above 0, got 0")
        if self.ramp is not None and not isinstance(self.ramp, bool):
            raise ConfigError(f"`ramp` must be true or false, got {self.ramp!r}")
        if self.inner_mode is not None:
            require_in("mode of the inner maximisation", self.inner_mode, INNER_MODES)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Range of pixels that images are kept in, or None."""
        return (0.0, 1.0) if self.clip else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record: all that counts with the method."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def text(self) -> str:
        """What is done, in one sentence for a page."""
        unit = "of the pixel range" if self.unit == "pixel" else "of the input scale"
        budget = f"{'L∞' if self.norm == 'linf' else 'L2'} ε {self.epsilon:g} {unit}"
        part = "" if self.share in (None, 1.0) else f" {self.share:.0%} of every batch,"
        rise = ", rising from place to place" if self.ramp else ""
        steps = f" of {self.steps} steps" if self.steps else ""
        what = {
            "fgsm": f"FGSM copies instead of{part or ' every batch,'} ",
            "pgd": f"what PGD{steps} finds instead of{part or ' every batch,'} ",
            "trades": f"TRADES with β {self.beta}, a search{steps}, ",
            "free": f"free, {self.replays} steps on every batch, ",
            "fast": f"one step of {self.relative_step} ε from a random start instead of{part or ' every batch,'} ",
        }[self.method]
        return f"Adversarial training: {what}{budget}{rise}."
