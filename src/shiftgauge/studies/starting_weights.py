"""Where the network of a study's recipe begins: a word or a file for a person, `pretrained` for a network."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from shiftgauge.errors import ConfigError
from shiftgauge.models.architectures import PACKAGED

IMAGENET: Final = "imagenet"
NONE: Final = "none"


def require_weights(weights: str) -> str:
    """Refuses weights that are neither a word nor there.

    Args:
        weights: `imagenet`, `none`, or the path of a file or of a model folder.

    Raises:
        ConfigError: No such file.

    Example:
        >>> require_weights("none")
        'none'
    """
    if weights not in (IMAGENET, NONE) and not Path(weights).exists():
        raise ConfigError(f"weights {weights} do not exist; give a file, a model folder, `{IMAGENET}` or `{NONE}`")
    return weights


def pretrained_of(weights: str, *, small: bool, quick: bool) -> bool | str:
    """What the network is to begin with: False for random weights, True for those that timm publishes.

    Args:
        weights: See `require_weights`.
        small: The network is the small one, whose ImageNet weights come with an installed package.
        quick: ImageNet weights are not wanted; a file is.

    Example:
        >>> pretrained_of("imagenet", small=True, quick=False), pretrained_of("imagenet", small=True, quick=True)
        ('packaged', False)
    """
    if weights == NONE or (quick and weights == IMAGENET):
        return False
    if weights == IMAGENET:
        return PACKAGED if small else True
    return weights
