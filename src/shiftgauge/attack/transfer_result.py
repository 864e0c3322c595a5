"""What attacks made on one model do to others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.proportion import PairedDifference, paired_difference
from shiftgauge.results.status import Message
from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Transfer:
    """Accuracy of each target on images that were made on each source, for each attack and budget.

    Where source and target are one model, the attack is white-box; everywhere else it is a transfer, which says
    little about what an attack on the target itself would do.

    Args:
        attacks: Names of the attacks.
        budgets: What each budget allows, in order.
        sources: Names of the models that images were made on.
        targets: Names of the models that they were tried on.
        right: Whether the target is right (attack, budget, source, target, image).
        clean: The same of the images as given (target, image).
        accuracy: Share of images (attack, budget, source, target).
        low: Lower end of its interval.
        high: Upper end.
        clean_accuracy: Share of images as given (target,).
        clean_low: Lower end of its interval.
        clean_high: Upper end.
        epsilon: ε, mean over images (attack, budget, source).
        set_snr_db: Ratio of the set (attack, budget, source), in the unit of the budgets and the source's scale.
        image_snr_db: Ratio of each image (attack, budget, source, image).
        zero_gradient: Images whose gradients were all 0 (attack, source, image).
        groups: Group of each image, or None.
        confidence_level: Of the intervals.
        resamples: Of groups.
        seed: Of the resamples.
        options: Attacks with their options.
        fingerprints: Content hash of each model.
        evaluations: Images that passed forward through a network.
        gradients: Images that passed backward.
        seconds: Wall time.
        messages: What to know before relying on it.
    """

    attacks: tuple[str, ...]
    budgets: tuple[Mapping[str, Any], ...]
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    right: npt.NDArray[np.bool_]
    clean: npt.NDArray[np.bool_]
    accuracy: FloatArray
    low: FloatArray
    high: FloatArray
    clean_accuracy: FloatArray
    clean_low: FloatArray
    clean_high: FloatArray
    epsilon: FloatArray
    set_snr_db: FloatArray
    image_snr_db: FloatArray
    zero_gradient: npt.NDArray[np.bool_]
    groups: tuple[str, ...] | None
    confidence_level: float
    resamples: int
    seed: int
    options: Mapping[str, Mapping[str, Any]]
    fingerprints: Mapping[str, str]
    evaluations: int
    gradients: int
    seconds: float
    messages: tuple[Message, ...] = ()

    def __repr__(self) -> str:
        """Size on one line."""
        return f"Transfer({self.right.shape} of {', '.join(self.attacks)})"

    def white_box(self, attack: str) -> FloatArray:
        """Accuracy of each model on images made on itself, (budget, model), for models that are source and target.

        Raises:
            ConfigError: An unknown attack.
        """
        a = self._place("attack", attack, self.attacks)
        both = [m for m in self.sources if m in self.targets]
        return np.stack([self.accuracy[a, :, self.sources.index(m), self.targets.index(m)] for m in both], axis=1)

    def difference(self, attack: str, budget: int, source: str, target: str) -> PairedDifference:
        """Accuracy of a target on a source's images minus that on its own: what a transfer overstates it by.

        Args:
            attack: Name.
            budget: Number, from 0.
            source: A model.
            target: A model that is a source too.

        Raises:
            ConfigError: An unknown name or number.
        """
        own = self._right(attack, budget, self.sources[self._place("source", target, self.sources)], target)
        return self._paired(self._right(attack, budget, source, target), own)

    def compare(self, attack: str, budget: int, source: str, first: str, second: str) -> PairedDifference:
        """Accuracy of one target minus that of another on the same images.

        Raises:
            ConfigError: An unknown name or number.
        """
        rows = [self._right(attack, budget, source, target) for target in (first, second)]
        return self._paired(*rows)

    def compare_white_box(self, attack: str, budget: int, first: str, second: str) -> PairedDifference:
        """Accuracy of one model minus that of another, each on images made on itself.

        Raises:
            ConfigError: An unknown name or number, or a model that is not source and target.
        """
        rows = [self._right(attack, budget, model, model) for model in (first, second)]
        return self._paired(*rows)

    def to_dataframe(self) -> pd.DataFrame:
        """One row for each attack, budget, source and target, with ε, ratios, accuracy and its interval."""
        rows = []
        for a, b, s, t in np.ndindex(*self.accuracy.shape):
            asked = self.budgets[b]["snr_db"]
            rows.append(
                {
                    "attack": self.attacks[a],
                    "budget": b,
                    "epsilon": self.epsilon[a, b, s],
                    "asked_snr_db": np.nan if asked is None else float(asked),
                    "set_snr_db": self.set_snr_db[a, b, s],
                    "source": self.sources[s],
                    "target": self.targets[t],
                    "white_box": self.sources[s] == self.targets[t],
                    "accuracy": self.accuracy[a, b, s, t],
                    "low": self.low[a, b, s, t],
                    "high": self.high[a, b, s, t],
                    "n": self.right.shape[-1],
                }
            )
        return pd.DataFrame(rows)

    def _right(self, attack: str, budget: int, source: str, target: str) -> npt.NDArray[np.bool_]:
        if require_positive_int("budget", budget, low=0) >= len(self.budgets):
            raise ConfigError(f"`budget` must be below {len(self.budgets)}, the number of budgets, got {budget}")
        return self.right[
            self._place("attack", attack, self.attacks),
            budget,
            self._place("source", source, self.sources),
            self._place("target", target, self.targets),
        ]

    def _paired(self, first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> PairedDifference:
        return paired_difference(
            first,
            second,
            groups=self.groups,
            confidence_level=self.confidence_level,
            resamples=self.resamples,
            seed=self.seed,
        )

    @staticmethod
    def _place(kind: str, name: str, names: Sequence[str]) -> int:
        return list(names).index(require_in(kind, name, names))
