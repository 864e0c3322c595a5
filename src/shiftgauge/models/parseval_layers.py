"""Layers of Parseval networks: convex aggregation, convolutions scaled to norm 1, normalisation without a gain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias, get_args

import torch
from torch import nn

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.models.conv_norm import Pair, Sizes, overlap, padded_power_step, pair

AggregationForm: TypeAlias = Literal["simplex", "sigmoid"]
ConvScaling: TypeAlias = Literal["none", "windows", "measured"]
SCALINGS: Final[tuple[str, ...]] = get_args(ConvScaling)
FIRST_ITERATIONS: Final = 50
"""Steps of power iteration for new weights."""


def project_simplex(values: torch.Tensor) -> torch.Tensor:
    r"""Returns the nearest point of the probability simplex, along the last axis.

    $$ \arg\min_{p \ge 0,\ \sum_i p_i = 1} \lVert p - v \rVert_2 = \max(v - \tau, 0), \qquad
       \tau = \frac{1}{k} \Big( \sum_{i \le k} v_{(i)} - 1 \Big) $$

    with v sorted downwards and k the largest number for which v₍ₖ₎ > (Σ_{i ≤ k} v₍ᵢ₎ − 1) / k. Exact, in one sort.

    Args:
        values: Any numbers (..., n), n ≥ 1. NaN stays NaN.

    Returns:
        (..., n), each ≥ 0, summing to 1 along the last axis.

    Example:
        >>> [round(v, 3) for v in project_simplex(torch.tensor([0.5, 0.4, -0.3])).tolist()]
        [0.55, 0.45, 0.0]

    References:
        Duchi, J.; Shalev-Shwartz, S.; Singer, Y.; Chandra, T. (2008). Efficient Projections onto the l1-Ball for
        Learning in High Dimensions. doi:10.1145/1390156.1390191
    """
    ordered = values.sort(dim=-1, descending=True).values
    counts = torch.arange(1, values.shape[-1] + 1, dtype=values.dtype, device=values.device)
    thresholds = (ordered.cumsum(dim=-1) - 1) / counts
    k = (ordered > thresholds).sum(dim=-1, keepdim=True).clamp_min(1)
    return (values - thresholds.gather(-1, k - 1)).clamp_min(0)


class ConvexAggregation(nn.Module):
    r"""Sums tensors with trained weights that are ≥ 0 and add up to 1.

    $$ y = \sum_i \lambda_i x_i, \qquad \lambda_i \ge 0, \quad \sum_i \lambda_i = 1 $$

    so that y changes no more than the tensor that changes most. The weights are a parameter: they are saved, get
    gradients and are trained.

    Args:
        n: Tensors, ≥ 2.
        form: `simplex`: λ is the parameter itself and is projected on the simplex after each step of the optimiser
            (`parseval_projection` does it), so that a weight can be 0; `sigmoid`, for two tensors: λ = (σ(p), 1 − σ(p))
            with the parameter p, which needs no projection.
        start: First weights, n numbers ≥ 0 that add up to 1; default 1/n each. For `sigmoid` each must be > 0.

    Raises:
        ConfigError: Weights off the simplex, or `sigmoid` for more than two tensors.

    Example:
        >>> ConvexAggregation(start=(0.25, 0.75))(torch.tensor([4.0]), torch.tensor([8.0])).item()
        7.0

    References:
        Cisse, M.; Bojanowski, P.; Grave, E.; Dauphin, Y.; Usunier, N. (2017). Parseval Networks: Improving Robustness
        to Adversarial Examples. arXiv:1704.08847

    Deviations from the paper:
        None for `simplex`. The published eye-state code has the sigmoid form, outside any layer, so that it was
        neither trained nor saved.
    """

    def __init__(self, n: int = 2, *, form: AggregationForm = "simplex", start: Sequence[float] | None = None) -> None:
        super().__init__()
        require_positive_int("n", n, low=2)
        require_in("form of aggregation", form, get_args(AggregationForm))
        first = [1 / n] * n if start is None else [require_range("start", value, 0, 1) for value in start]
        if len(first) != n or abs(sum(first) - 1) > 1e-6:
            raise ConfigError(f"`start` must be {n} numbers that add up to 1, got {tuple(first)}")
        if form == "sigmoid" and (n != 2 or min(first) == 0):
            raise ConfigError(f"the form `sigmoid` takes two weights above 0, got {tuple(first)}; take `simplex`")
        self.n, self.form = n, form
        held = first if form == "simplex" else [math.log(first[0] / first[1])]
        self.lam = nn.Parameter(torch.tensor(held, dtype=torch.float32))

    @property
    def weights(self) -> torch.Tensor:
        """λ, axes (tensor), inside the autograd graph of the parameter."""
        if self.form == "simplex":
            return self.lam
        first = torch.sigmoid(self.lam)
        return torch.cat([first, 1 - first])

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """n tensors of one shape → their weighted sum."""
        if len(tensors) != self.n:
            raise ConfigError(f"the aggregation takes {self.n} tensors, got {len(tensors)}")
        weights = self.weights
        if self.n == 2:
            return torch.addcmul(tensors[0] * weights[0], tensors[1], weights[1])
        return torch.stack([w * x for w, x in zip(weights.unbind(), tensors, strict=True)]).sum(dim=0)

    def extra_repr(self) -> str:
        """What is shown of the layer."""
        return f"{self.n}, form={self.form}"


class ScaledConv2d(nn.Conv2d):
    r"""A convolution divided by how much its windows, or its weights, enlarge.

    y = W U(x) / c, where U cuts x into windows. A value of x stands in up to m windows, so that ‖U‖ ≤ √m: with W tight
    (‖W‖ = 1, what the retraction keeps), the plain layer may enlarge by √m, which is 3 for 3×3 windows.

    * `windows`: c = √m, m = Π_axis ⌈kernel / stride⌉: 3 for 3×3, 2 for 3×3 with stride 2, 1 for 1×1. A constant; the
      layer has norm ≤ ‖W‖.
    * `measured`: c = ‖W U‖ for images of `size`, by power iteration with the layer and its transpose. It is carried on
      by one iteration with each `refresh` (`parseval_projection` calls it), is saved with the weights as is its vector,
      and is constant for gradients. The layer has norm 1, as far as the iteration has come; smaller images have less.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Rows and columns of the kernel, or one number for both.
        stride: As of a convolution.
        padding: Zeros on each side.
        dilation: As of a convolution.
        groups: As of a convolution.
        bias: Add a bias.
        scaling: `windows` or `measured`.
        size: Rows and columns of the input that `measured` is for, or one number for both; default 32.

    Example:
        >>> layer = ScaledConv2d(1, 1, 3, padding=1, bias=False)
        >>> _ = nn.init.ones_(layer.weight)
        >>> round(layer(torch.ones(1, 1, 9, 9)).max().item(), 4), float(layer.factor)
        (3.0, 0.3333333333333333)

    References:
        Cisse, M. et al. (2017). Parseval Networks. arXiv:1704.08847 (section 4.2, one axis: 1/√(2k + 1)).
        Gouk, H.; Frank, E.; Pfahringer, B.; Cree, M. (2021). Regularisation of neural networks by enforcing Lipschitz
        continuity. doi:10.1007/s10994-020-05929-w
    """

    norm: torch.Tensor
    vector: torch.Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        *,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        scaling: Literal["windows", "measured"] = "windows",
        size: Sizes = 32,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        require_in("scaling of a convolution", scaling, SCALINGS[1:])
        self.scaling = scaling
        self.windows = math.sqrt(math.prod(map(overlap, self.kernel_size, self.stride, self.dilation)))
        if scaling == "measured":
            vector = torch.randn(1, in_channels, *pair(size), generator=torch.Generator().manual_seed(0), device="cpu")
            self.register_buffer("norm", torch.tensor(self.windows))
            self.register_buffer("vector", (vector / vector.norm()).to(self.weight.device))

    @property
    def factor(self) -> torch.Tensor | float:
        """1/c, what the weights are multiplied by."""
        return 1 / self.norm if self.scaling == "measured" else 1 / self.windows

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002  (the name that Conv2d has)
        """(N, in_channels, H, W) → (N, out_channels, H', W')."""
        return self._conv_forward(input, self.weight * self.factor, self.bias)

    @torch.no_grad()
    def refresh(self, iterations: int = 1) -> None:
        """Carries the power iteration on and takes over the norm; with `windows` there is nothing to do.

        Args:
            iterations: Steps, ≥ 1: one after a step of training, some dozens for new weights.
        """
        if self.scaling != "measured" or self.weight.is_meta:
            return
        for _ in range(iterations):
            found, vector = padded_power_step(self, self.weight, self.vector)
            if not found > 0:
                return
            self.norm.copy_(found)
            self.vector.copy_(vector)

    def extra_repr(self) -> str:
        """What is shown of the layer."""
        return f"{super().extra_repr()}, scaling={self.scaling}"


class MeanOnlyBatchNorm2d(nn.Module):
    r"""Takes the mean of each channel away and adds a trained bias; nothing is divided.

    $$ y = x - \mu_c + \beta_c $$

    with μ of the batch while training, of training as a whole in evaluation, where the layer has gain 1 exactly. A
    batch normalisation divides by the standard deviation, which undoes any scaling of the convolution before it.

    Args:
        channels: C.
        momentum: Share of the latest batch in the running mean, in [0, 1]; default 0.1.

    Example:
        >>> layer = MeanOnlyBatchNorm2d(1)
        >>> layer(torch.tensor([1.0, 5.0]).view(2, 1, 1, 1)).flatten().tolist(), layer.running_mean.tolist()
        ([-2.0, 2.0], [0.30000001192092896])

    References:
        Salimans, T.; Kingma, D. (2016). Weight Normalization. arXiv:1602.07868
    """

    running_mean: torch.Tensor

    def __init__(self, channels: int, momentum: float = 0.1) -> None:
        super().__init__()
        require_positive_int("channels", channels)
        self.momentum = require_range("momentum", momentum, 0, 1)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) → the same shape."""
        if not self.training:
            return features + (self.bias - self.running_mean).view(1, -1, 1, 1)
        mean = features.mean(dim=(0, 2, 3))
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        return features + (self.bias - mean).view(1, -1, 1, 1)

    def extra_repr(self) -> str:
        """What is shown of the layer."""
        return f"{self.bias.numel()}, momentum={self.momentum:g}"
