"""The orthogonality constraint of Parseval networks: which layers it holds for, how they start, how they stay."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import nn

from shiftgauge.checks import require_in, require_positive_int, require_range, unknown_name
from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models.parseval_retraction import MAX_BETA
from shiftgauge.random import check_seed

ConstrainedLayers: TypeAlias = Literal["convolutions", "convolutions_and_linear"]
RetractionVariant: TypeAlias = Literal["iterated", "published"]


@dataclass(frozen=True, kw_only=True)
class ParsevalOptions:
    """How the kernels of a network are held near tight frames.

    Args:
        beta: Size of the retraction, in (0, 0.5]; default 0.001. It pulls against every step of the optimiser, so a
            higher learning rate wants more of it. A singular value above √(1 + 1/β) is thrown further away: that is 32
            for 0.001, but 3.3 for 0.1 and 1.7 for 0.5, which want an orthogonal start.
        passes: Retractions after each step of the optimiser, ≥ 1, each on what the last one gave; default 1.
        row_share: Share of the rows (outputs) of each kernel that a step retracts, drawn anew each time, in (0, 1];
            default 1, all of them. Below 1 it costs less and pulls less; Cisse et al. take 0.3.
        layers: `convolutions` (default), or with them the linear layers, the one that gives the classes among them.
        exclude: Module paths that are left free, with all that is below them.
        variant: `iterated`; or `published`, whose passes do not build on one another (see `retract_published`).
        seed: Of the rows that are drawn.

    Raises:
        ConfigError: An unknown word or a number outside its range.

    Example:
        >>> ParsevalOptions(beta=0.01, passes=2).to_dict()["passes"]
        2

    References:
        Cisse, M.; Bojanowski, P.; Grave, E.; Dauphin, Y.; Usunier, N. (2017). Parseval Networks: Improving Robustness
        to Adversarial Examples. arXiv:1704.08847
    """

    beta: float = 1e-3
    passes: int = 1
    row_share: float = 1.0
    layers: ConstrainedLayers = "convolutions"
    exclude: tuple[str, ...] = ()
    variant: RetractionVariant = "iterated"
    seed: int = 0

    def __post_init__(self) -> None:
        if require_range("beta", self.beta, 0, MAX_BETA) == 0:
            raise ConfigError("`beta` must be above 0, got 0; 0.001 is customary")
        require_positive_int("passes", self.passes)
        if require_range("row_share", self.row_share, 0, 1) == 0:
            raise ConfigError("`row_share` must be above 0, got 0; 1 takes all rows")
        require_in("`layers` of the Parseval constraint", self.layers, get_args(ConstrainedLayers))
        require_in("`variant` of the retraction", self.variant, get_args(RetractionVariant))
        if self.variant == "published" and self.row_share < 1:
            raise ConfigError(f"the published retraction takes all rows, got `row_share` {self.row_share:g}; take 1")
        if isinstance(self.exclude, str):
            raise ConfigError(f"`exclude` must be a list of module paths, got {self.exclude!r}")
        object.__setattr__(self, "exclude", tuple(self.exclude))
        check_seed(self.seed)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values."""
        return {**asdict(self), "exclude": list(self.exclude)}


def constrained_layers(network: nn.Module, options: ParsevalOptions | None = None) -> tuple[str, ...]:
    """Names the layers whose kernels are held near tight frames.

    The rule: every `nn.Conv2d` (of any size, 1×1 among them; of a grouped one each group by itself), with
    `convolutions_and_linear` every `nn.Linear` too; but not what `exclude` names, not a layer whose weights take no
    gradient, and of layers that share their weights the first alone. Biases, normalisations and weights of
    aggregation are never among them.

    Args:
        network: The network.
        options: Say which; default all convolutions.

    Returns:
        Module paths in the order of the network.

    Raises:
        ConfigError: `exclude` names a part that the network does not have.
        ModelError: No layer is left to be constrained.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
        >>> constrained_layers(net), constrained_layers(net, ParsevalOptions(layers="convolutions_and_linear"))
        (('0',), ('0', '3'))
    """
    chosen = options or ParsevalOptions()
    modules = dict(network.named_modules())
    for path in chosen.exclude:
        if path not in modules:
            raise ConfigError(unknown_name("part in `exclude`", path, [name for name in modules if name]))
    kinds = (nn.Conv2d,) if chosen.layers == "convolutions" else (nn.Conv2d, nn.Linear)
    found: dict[int, str] = {}
    for name, module in modules.items():
        free = any(name == path or name.startswith(f"{path}.") for path in chosen.exclude)
        if isinstance(module, kinds) and not free and _is_trained(module):
            found.setdefault(id(module.weight), name)
    if not found:
        raise ModelError(f"a {type(network).__name__} has no {chosen.layers.replace('_', ' ')} to be constrained")
    return tuple(found.values())


def kernel_matrices(layer: nn.Module) -> torch.Tensor:
    """The kernel of a layer as matrices of rows (outputs), one for each group: (groups, outputs / groups, inputs · k²).

    A view, so that writing into it changes the layer; outside the autograd graph. The columns stand as they lie in
    memory, of which neither the Gram matrix of the rows nor a singular value depends.
    """
    weight: Any = layer.weight
    groups = getattr(layer, "groups", 1)
    if weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        return weight.detach().permute(0, 2, 3, 1).view(groups, len(weight) // groups, -1)
    if not weight.is_contiguous():
        weight.data = weight.data.contiguous()
    return weight.detach().view(groups, len(weight) // groups, -1)


def orthogonal_(network: nn.Module, options: ParsevalOptions | None = None) -> None:
    """Starts the constrained layers anew as orthogonal matrices, which the retraction leaves as they are; in place.

    Rows are orthonormal where there are no more of them than columns, columns otherwise. Biases are left alone.

    Args:
        network: Changed in place, with numbers of torch's own generator.
        options: Say which layers; default all convolutions.

    Raises:
        ConfigError: `exclude` names a part that the network does not have.
        ModelError: No layer is left to be constrained.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3))
        >>> orthogonal_(net)
        >>> w = net[0].weight.detach().flatten(1)
        >>> bool(torch.allclose(w @ w.T, torch.eye(4), atol=1e-5))
        True

    References:
        Saxe, A.; McClelland, J.; Ganguli, S. (2014). Exact solutions to the nonlinear dynamics of learning in deep
        linear neural networks. arXiv:1312.6120
    """
    for name in constrained_layers(network, options):
        layer = network.get_submodule(name)
        weight: Any = layer.weight
        with torch.no_grad():
            for group in weight.chunk(getattr(layer, "groups", 1)):
                group.copy_(nn.init.orthogonal_(torch.empty(group.shape)))


def _is_trained(layer: nn.Conv2d | nn.Linear) -> bool:
    return isinstance(layer.weight, nn.Parameter) and layer.weight.requires_grad
