"""The networks of the eye-state study: plain, Parseval as published and done right, and trained adversarially."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shiftgauge.models.cnn import PUBLISHED_CNN
from shiftgauge.models.parseval import ParsevalOptions
from shiftgauge.models.wide_resnet import PUBLISHED_PARSEVAL, PUBLISHED_WIDE_RESNET
from shiftgauge.studies.adversarial_options import AdversarialOptions
from shiftgauge.studies.eye_data import PixelScale
from shiftgauge.studies.eye_recipe import HARD, EyeRecipe
from shiftgauge.studies.train_options import NetworkChoice
from shiftgauge.train.options import TrainOptions

WIDE: Final = "WRN"
UNSCALED: Final = "Parseval, unscaled"
SCALED: Final = "Parseval, scaled"
WIDE_FGSM: Final = "WRN, FGSM-trained"
UNSCALED_FGSM: Final = "Parseval, unscaled, FGSM-trained"
WIDE_PGD: Final = "WRN, PGD-trained"
CNN: Final = "CNN"
CNN_DECAY: Final = "CNN, weight decay"
CNN_PARSEVAL: Final = "CNN, Parseval"
CNN_FGSM: Final = "CNN, weight decay, FGSM-trained"
SOURCE: Final[Mapping[str, str]] = {
    WIDE: WIDE, UNSCALED: WIDE, SCALED: WIDE, WIDE_FGSM: WIDE, WIDE_PGD: WIDE, UNSCALED_FGSM: UNSCALED,
    CNN: CNN, CNN_DECAY: CNN, CNN_PARSEVAL: CNN, CNN_FGSM: CNN,
}  # fmt: skip
"""Network → the plain one of the same fold that images of the transfer attack are made on."""
AS_PUBLISHED: Final[Mapping[str, str]] = {
    "ResNet": WIDE, "Parseval": UNSCALED, "ResNet-ADV": WIDE_FGSM, "Parseval-ADV": UNSCALED_FGSM,
    "CNN": CNN, "CNN_WD": CNN_DECAY, "CNN_WD_ADV": CNN_FGSM, "Parseval_OC": CNN_PARSEVAL,
}  # fmt: skip
"""Name in the published tables → network."""
PAIRS: Final = (
    (UNSCALED, WIDE), (SCALED, WIDE), (UNSCALED, WIDE_FGSM), (SCALED, WIDE_FGSM), (UNSCALED, WIDE_PGD),
    (SCALED, WIDE_PGD), (UNSCALED_FGSM, WIDE_FGSM), (CNN_PARSEVAL, CNN), (CNN_PARSEVAL, CNN_DECAY),
    (CNN_PARSEVAL, CNN_FGSM), (WIDE_FGSM, WIDE), (WIDE_PGD, WIDE), (CNN_DECAY, CNN), (CNN_FGSM, CNN_DECAY),
)  # fmt: skip
"""Networks that are held against each other on the same folds."""
HELPS: Final = ((UNSCALED, WIDE), (SCALED, WIDE), (CNN_PARSEVAL, CNN))
"""Of these the pairs that say whether the constraint helps against the same network without it."""
HARDENED: Final[Mapping[str, str]] = {
    WIDE_FGSM: WIDE, WIDE_PGD: WIDE, UNSCALED_FGSM: UNSCALED, CNN_FGSM: CNN_DECAY,
}  # fmt: skip
"""Network trained adversarially → the same without."""
_L2: Final = 2e-4
_CNN_L2: Final = 2e-3
_BETA, _STRONG_BETA = 1e-3, 2e-2
_SLOW: Final = 2
_RIGHT: Final = {"normalisation": "mean_only", "scaling": "measured", "feature_scale": 100.0}
_UNSCALED: Final = {"scaling": "none", "aggregation": "sigmoid", "aggregated": "identity"}


@dataclass(frozen=True, kw_only=True)
class EyeModel:
    """One of the networks with its training.

    Args:
        name: For tables.
        network: The network.
        options: The training.
        constraint: Retraction after every step, or None.
        adversarial: Adversarial training, or None.
    """

    name: str
    network: NetworkChoice
    options: TrainOptions
    constraint: ParsevalOptions | None = None
    adversarial: AdversarialOptions | None = None

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return self.name.lower().replace(",", "").replace(" ", "-")


def eye_models(recipe: EyeRecipe, scale: PixelScale) -> dict[str, EyeModel]:
    """The ten networks by name, the plain one first.

    The wide residual networks all have the published decay. `Parseval, unscaled` is the published form: orthogonal
    start, kernels drawn to tight frames, λ a sigmoid on the identity blocks, batch normalisation, and convolutions that
    are not 1-Lipschitz. `Parseval, scaled` is one whose layers never enlarge: convolutions divided by their measured
    norm, λ on the simplex in every block, the mean alone taken away in place of a batch normalisation, and a stronger
    retraction; it learns with AdamW, for with the SGD of the others its small outputs would not move, and for twice as
    many epochs, for it learns slowly. With the recipe
    `published` the networks have the peculiarities of the published code as well (see `PUBLISHED_WIDE_RESNET`).

    Args:
        recipe: How much.
        scale: What makes pixels standardised ones.

    Example:
        >>> found = eye_models(EyeRecipe(name="small"), PixelScale(mean=0.5, std=0.25))
        >>> len(found), next(iter(found)), found["WRN, PGD-trained"].adversarial.steps
        (10, 'WRN', 4)
    """
    return _wide(recipe, scale) | _plain_cnn(recipe, scale)


def _wide(recipe: EyeRecipe, scale: PixelScale) -> dict[str, EyeModel]:
    quirks = dict(PUBLISHED_WIDE_RESNET) if recipe.quirks else {}
    unscaled = dict(PUBLISHED_PARSEVAL) if recipe.quirks else dict(_UNSCALED)
    depth = {"depth": recipe.depth}
    wide = _choice("wide_resnet_small", recipe, scale, depth | quirks)
    parseval = _choice("parseval_resnet_small", recipe, scale, depth | unscaled)
    right = _choice("parseval_resnet_small", recipe, scale, depth | _RIGHT | {"image_size": recipe.size})
    decayed = recipe.options(rate=0.1, decay=_L2)
    retracted = ParsevalOptions(beta=_BETA)
    return {
        name: EyeModel(name=name, **given)
        for name, given in {
            WIDE: {"network": wide, "options": decayed},
            UNSCALED: {"network": parseval, "options": decayed, "constraint": retracted},
            SCALED: {
                "network": right,
                "options": recipe.options(rate=3e-3, decay=0.0, kind="adamw", times=_SLOW),
                "constraint": ParsevalOptions(beta=_STRONG_BETA),
            },
            WIDE_FGSM: {"network": wide, "options": decayed, "adversarial": half_batch()},
            UNSCALED_FGSM: {
                "network": parseval,
                "options": decayed,
                "constraint": retracted,
                "adversarial": half_batch(),
            },
            WIDE_PGD: {"network": wide, "options": decayed, "adversarial": whole_batch(recipe)},
        }.items()
    }


def _plain_cnn(recipe: EyeRecipe, scale: PixelScale) -> dict[str, EyeModel]:
    quirks = dict(PUBLISHED_CNN) if recipe.quirks else {}
    cnn = _choice("cnn_small", recipe, scale, quirks)
    orthogonal = _choice("cnn_small", recipe, scale, quirks | {"init": "orthogonal"})
    free, decayed = (recipe.options(rate=0.01, decay=decay) for decay in (0.0, _CNN_L2))
    retracted = ParsevalOptions(beta=_BETA)
    return {
        CNN: EyeModel(name=CNN, network=cnn, options=free),
        CNN_DECAY: EyeModel(name=CNN_DECAY, network=cnn, options=decayed),
        CNN_PARSEVAL: EyeModel(name=CNN_PARSEVAL, network=orthogonal, options=free, constraint=retracted),
        CNN_FGSM: EyeModel(name=CNN_FGSM, network=cnn, options=decayed, adversarial=half_batch()),
    }


def half_batch() -> AdversarialOptions:
    """The published adversarial training: FGSM copies in place of the second half of every batch, ε = i/1000."""
    return AdversarialOptions(method="fgsm", epsilon=HARD, unit="input", clip=False)


def whole_batch(recipe: EyeRecipe) -> AdversarialOptions:
    """PGD training of Madry et al. within the largest ε of the other one."""
    steps = recipe.inner_steps
    return AdversarialOptions(
        method="pgd", epsilon=HARD, unit="input", clip=False, steps=steps, relative_step=max(0.25, 1.5 / steps)
    )


def _choice(architecture: str, recipe: EyeRecipe, scale: PixelScale, arguments: Mapping[str, Any]) -> NetworkChoice:
    return NetworkChoice(
        architecture=architecture,
        size=recipe.size,
        channels=1,
        arguments=arguments,
        preprocessing={"mean": [scale.mean], "std": [scale.std], "channel_conversion": "either"},
    )
