"""How much the eye-state study trains and attacks: the published extent, a small one, and a quick one for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.parameter import Parameter
from shiftgauge.random import check_seed
from shiftgauge.space import Space
from shiftgauge.studies.eye_published import COPY_EPSILONS, SHARES
from shiftgauge.train.augment import AugmentOptions
from shiftgauge.train.options import OptimizerOptions, TrainOptions
from shiftgauge.train.sampling import SamplingOptions
from shiftgauge.train.schedules import ScheduleOptions

RecipeName = Literal["published", "small"]
LOUD: Final = 0.022
"""ε of the attacks that are judged, 33 dB where the root mean square of the images is 1."""
MARKED: Final = (0.003, 0.005, 0.01, LOUD, 0.039)
"""ε of tables: about 50, 45, 40, 33 and 28 dB."""
HARD: Final = 0.032
"""Largest ε of adversarial training, as published."""
_SMALL_CURVE: Final = (0.0, 0.001, 0.003, 0.005, 0.007, 0.009, 0.01, 0.015, 0.021, LOUD, 0.03, 0.039)
_EXTENT: Final = {
    "published": {
        "epochs": 50, "folds": 10, "size": 32, "shares": SHARES, "copies": COPY_EPSILONS,
        "curve": tuple(i / 1000 for i in range(40)), "pgd_images": None, "pgd_steps": 20, "inner_steps": 10,
    },
    "small": {
        "epochs": 6, "folds": 5, "size": 24, "shares": (0.5, 1.0), "copies": (0.003, 0.03),
        "curve": _SMALL_CURVE, "pgd_images": 200, "pgd_steps": 10, "inner_steps": 4,
    },
    "quick": {
        "epochs": 1, "folds": 2, "size": 24, "shares": (1.0,), "copies": (0.03,),
        "curve": (0.0, *MARKED), "pgd_images": 20, "pgd_steps": 2, "inner_steps": 1,
    },
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EyeRecipe:
    """What the study trains, and how much of it.

    Args:
        name: `published`: WRN-16-1 at 32 × 32, 50 epochs of SGD at 0.1 with momentum 0.9, a tenth after every 10
            epochs, batches of 64, ten folds, copies in 2 × 20 cells, ε from 0 to 0.039 in 40 steps, turns of up to 10
            degrees and shifts of up to 5/32 as in the code. `small`, for one processor core: 24 × 24, 6 epochs of a
            cosine, mirror images in place of turns and shifts, five folds, 2 × 4 cells, 12 of the 40 ε, and PGD on 200
            images of each fold. Both measure more than the publication: PGD, white-box attacks on every network, and
            the controls.
        epochs: Another number of epochs.
        folds: Another number of folds, ≥ 2.
        quick: A few images, a smaller network and one epoch: whether everything runs, and no result.
        seed: Of folds, weights, training and draws.

    Raises:
        ConfigError: An unknown recipe, or a number outside its range.

    Example:
        >>> EyeRecipe().epochs_each, EyeRecipe(name="small").shares
        (50, (0.5, 1.0))
    """

    name: RecipeName = "published"
    epochs: int | None = None
    folds: int | None = None
    quick: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        require_in("recipe", self.name, get_args(RecipeName))
        check_seed(self.seed)
        if self.epochs is not None:
            require_positive_int("epochs", self.epochs)
        if self.folds is not None:
            require_positive_int("folds", self.folds, low=2)

    @property
    def _extent(self) -> dict:
        return _EXTENT["quick" if self.quick else self.name]

    @property
    def published(self) -> bool:
        """Whether the networks are trained as published; where a fold is divided off by person they see fewer."""
        return self.name == "published" and not self.quick and self.epochs in (None, 50) and self.folds in (None, 10)

    @property
    def quirks(self) -> bool:
        """Whether networks have the peculiarities of the published code."""
        return self.name == "published" and not self.quick

    @property
    def epochs_each(self) -> int:
        """Epochs of each training."""
        return self.epochs or self._extent["epochs"]

    @property
    def k(self) -> int:
        """Folds."""
        return self.folds or self._extent["folds"]

    @property
    def size(self) -> int:
        """Rows and columns of the network's input."""
        return self._extent["size"]

    @property
    def depth(self) -> int:
        """Depth of the wide residual networks."""
        return 10 if self.quick else 16

    @property
    def shares(self) -> tuple[float, ...]:
        """Copies over training images."""
        return self._extent["shares"]

    @property
    def copies(self) -> tuple[float, ...]:
        """ε of adversarial and noisy copies."""
        return self._extent["copies"]

    @property
    def curve(self) -> tuple[float, ...]:
        """ε at which networks are attacked by one step, and shown noise."""
        return self._extent["curve"]

    @property
    def pgd_images(self) -> int | None:
        """Images of each fold that are attacked by PGD; None for all."""
        return self._extent["pgd_images"]

    @property
    def pgd_steps(self) -> int:
        """Steps of the attack."""
        return self._extent["pgd_steps"]

    @property
    def inner_steps(self) -> int:
        """Steps of the search in PGD training."""
        return self._extent["inner_steps"]

    def options(
        self, *, rate: float, decay: float, kind: Literal["sgd", "adamw"] = "sgd", times: int = 1
    ) -> TrainOptions:
        """The training. The last epoch is kept, as published.

        Args:
            rate: First learning rate.
            decay: Factor λ of the gradient λ w; the published L2 term of 10⁻⁴ w² is λ = 2 · 10⁻⁴.
            kind: `sgd` with momentum 0.9, or `adamw`.
            times: As many times the epochs.
        """
        steps = ScheduleOptions(kind="step", factor=0.1, step_epochs=10 * times)
        return TrainOptions(
            epochs=times * self.epochs_each,
            optimizer=OptimizerOptions(kind=kind, learning_rate=rate, weight_decay=decay, momentum=0.9),
            schedule=steps if self.name == "published" else ScheduleOptions(kind="cosine"),
            sampling=SamplingOptions(batch_size=64),
            augment=self._augment(),
            monitor="last",
            clip=None,
            precision="float32",
            seed=self.seed,
        )

    def _augment(self) -> AugmentOptions:
        if self.name == "small":
            return AugmentOptions(flips=("horizontal",))
        ranges = {"rotation": 10.0, "translate_x": 5 / 32, "translate_y": 5 / 32}
        moved = [
            Parameter(name=name, distribution="uniform", options={"low": -high, "high": high})
            for name, high in ranges.items()
        ]
        return AugmentOptions(space=Space(moved))
