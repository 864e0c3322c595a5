"""In which mode a network stands while images are looked for that its training is to see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal, TypeAlias, get_args

from torch import nn

from shiftgauge.checks import require_in

InnerMode: TypeAlias = Literal["eval", "train"]
INNER_MODES: Final[tuple[str, ...]] = get_args(InnerMode)
DEFAULT_INNER_MODE: Final[InnerMode] = "eval"
"""Running averages and no dropout, as in the published code of TRADES: what is found for an image then depends neither
on the other images of its batch nor on chance, and it is the network that will be attacked later."""
_STILL: Final = {"track_running_stats": False, "momentum": 0.0}
"""What leaves running averages as they are: of batch normalisation the one, of other normalisations the other."""


@contextmanager
def inner_mode(network: nn.Module, mode: InnerMode = DEFAULT_INNER_MODE) -> Iterator[None]:
    """Puts a network into the mode of the inner maximisation, and every module back into its own.

    Args:
        network: In training.
        mode: `eval`: normalisation by running averages, no dropout. `train`: normalisation by the statistics of the
            batch, and dropout, as in the training step itself. In neither do the running averages move, because
            images on the way to an adversarial one are none that the network is trained on.

    Raises:
        ConfigError: An unknown mode.

    Example:
        >>> import torch
        >>> norm = nn.BatchNorm1d(1)
        >>> with inner_mode(norm, "train"):
        ...     found = norm(torch.tensor([[1.0], [3.0]]))
        >>> found.round().flatten().tolist(), norm.running_mean.item(), norm.training
        ([-1.0, 1.0], 0.0, True)

    References:
        Madry, A., Makelov, A., Schmidt, L., Tsipras, D., Vladu, A. (2018). Towards deep learning models resistant to
        adversarial attacks. arXiv:1706.06083
        Xie, C., Tan, M., Gong, B., Wang, J., Yuille, A., Le, Q. V. (2020). Adversarial examples improve image
        recognition. arXiv:1911.09665 (on the statistics of adversarial images)
    """
    require_in("mode of the inner maximisation", mode, INNER_MODES)
    training = [module for module in network.modules() if module.training]
    if mode == "eval":
        with _evaluating(training):
            yield
        return
    norms = [module for module in training if getattr(module, "running_mean", None) is not None]
    held = [{name: getattr(norm, name) for name in _STILL if hasattr(norm, name)} for norm in norms]
    try:
        for norm, names in zip(norms, held, strict=True):
            for name in names:
                setattr(norm, name, _STILL[name])
        yield
    finally:
        for norm, values in zip(norms, held, strict=True):
            for name, value in values.items():
                setattr(norm, name, value)


@contextmanager
def _evaluating(training: list[nn.Module]) -> Iterator[None]:
    """Sets modules to evaluation one by one, so that those that were so before stay so afterwards."""
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True
