"""What a training minimises on a batch: the loss of its images, of images changed in the light of the network, or more.

An objective is told nothing of attacks: what looks for the worst images near the given ones comes as a callable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.errors import DataError
from shiftgauge.train.images import Task
from shiftgauge.train.losses import Loss

Logits: TypeAlias = Callable[[Tensor], Tensor]
"""Images (N, C, H, W) in [0, 1] → logits (N, K), with gradients."""
Perturb: TypeAlias = Callable[[Logits, Tensor, Tensor, int, int], Tensor]
"""(network on images in [0, 1], images (N, C, H, W) in [0, 1], targets, epoch, step) → the images to train on."""
LossPerImage: TypeAlias = Callable[[Tensor], Tensor]
"""Logits (N, K) → a loss for each image (N,)."""
Search: TypeAlias = Callable[[Logits, LossPerImage, Tensor, int, int], Tensor]
"""(network, loss to make large, images, epoch, step) → images near the given ones for which it is large."""
Advance: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(images, δ, gradient of the loss by δ) → the next δ, within its bounds; all (N, C, H, W)."""
AfterStep: TypeAlias = Callable[[nn.Module], None]
"""Changes the weights of a network in place after a step of the optimiser, without gradients. PyTorch's random numbers
are seeded for the step, the same on every device."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """What an objective is given of a step beside images and targets.

    Args:
        logits: The network in training; running averages move and dropout acts. For what is minimised.
        inner: The same weights in the mode of the inner maximisation, see `train.inner_mode`. For what is looked for.
        criterion: The loss of the options.
        task: `single` or `multi`.
        epoch: Number of the epoch, from 0.
        number: Number of the batch in it; several devices give each batch of a step a number of its own.
        replay: How often the batch was trained on before, from 0 to `replays` - 1.
    """

    logits: Logits
    inner: Logits
    criterion: Loss
    task: Task
    epoch: int
    number: int
    replay: int = 0


class Objective(Protocol):
    """What a training minimises. It keeps nothing from epoch to epoch, so that a training can go on after any of them.

    Args:
        replays: Steps of the optimiser on each batch in a row, ≥ 1.
    """

    @property
    def replays(self) -> int:
        """Steps of the optimiser on each batch in a row, ≥ 1."""
        ...

    def init(self) -> Any:
        """What is carried from step to step, as an epoch begins with it."""
        ...

    def loss(self, state: Any, step: Step, images_nchw: Tensor, targets: Tensor) -> Tensor:
        """The scalar to minimise."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """What decides the outcome, as plain values for the record of the training."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Changed:
    r"""The loss of a batch whose images were changed in the light of the network, $L(f(\tilde x), y)$.

    With a search for the worst image near each one it is the saddle point of Madry et al.,
    $\min_\theta E \max_{\|\delta\| \le \epsilon} L(f_\theta(x + \delta), y)$.

    Args:
        perturb: Changes the images; None leaves them.

    Example:
        >>> step = Step(logits=lambda x: x.flatten(1), inner=lambda x: x, criterion=functional.cross_entropy,
        ...             task="single", epoch=0, number=0)
        >>> objective = Changed(perturb=lambda logits, images, targets, epoch, step: 0 * images)
        >>> round(objective.loss(None, step, torch.rand(2, 1, 1, 2), torch.tensor([0, 1])).item(), 4)
        0.6931

    References:
        Madry, A., Makelov, A., Schmidt, L., Tsipras, D., Vladu, A. (2018). Towards deep learning models resistant to
        adversarial attacks. arXiv:1706.06083
    """

    perturb: Perturb | None = None
    replays: int = field(default=1, init=False)

    def init(self) -> None:
        """Nothing is carried."""

    def loss(self, state: None, step: Step, images_nchw: Tensor, targets: Tensor) -> Tensor:
        """The loss of the changed images."""
        if self.perturb is not None:
            images_nchw = self.perturb(step.inner, images_nchw, targets, step.epoch, step.number)
        return step.criterion(step.logits(images_nchw), targets)

    def to_dict(self) -> dict[str, Any]:
        """Nothing: what `perturb` does is for its giver to record."""
        return {}


@dataclass(frozen=True, kw_only=True, eq=False)
class Trades:
    r"""TRADES: the loss of clean images, and how far the worst images near them move what the network says of them.

    $$ L(f(x), y) + \beta \, \frac1N \sum_n \mathrm{KL}\big(p(x_n) \,\|\, p(x'_n)\big), \qquad
       x'_n = \arg\max_{\|x' - x_n\| \le \epsilon} \mathrm{KL}\big(p(x_n) \,\|\, p(x')\big) $$

    with p = softmax(f), for several labels the mean over the labels of the divergence of two yes-or-no answers.
    Gradients flow through both branches of the divergence.

    Args:
        search: Finds x'.
        beta: β ≥ 0, what robustness weighs against accuracy; 6 is the published value, 1/λ in the paper.
        record: What `search` does, as plain values.

    Raises:
        ConfigError: A negative β.

    References:
        Zhang, H., Yu, Y., Jiao, J., Xing, E. P., El Ghaoui, L., Jordan, M. I. (2019). Theoretically principled
        trade-off between robustness and accuracy. arXiv:1901.08573

    Deviations from the paper: none in the objective; the published code starts its search at a normal deviate of 0.001
    about the image, here that is for `search` to say.
    """

    search: Search
    beta: float = 6.0
    record: Mapping[str, Any] = field(default_factory=dict)
    replays: int = field(default=1, init=False)

    def __post_init__(self) -> None:
        require_range("beta", self.beta, 0, hint="6 is the published value, 0 leaves the plain loss")

    def init(self) -> None:
        """Nothing is carried."""

    def loss(self, state: None, step: Step, images_nchw: Tensor, targets: Tensor) -> Tensor:
        """The loss of the clean images and β times the mean divergence."""
        with torch.no_grad():
            held = step.inner(images_nchw).float()
        far = self.search(
            step.inner, lambda found: divergence(held, found, step.task), images_nchw, step.epoch, step.number
        )
        clean = step.logits(images_nchw)
        moved = divergence(clean, step.logits(far.detach()), step.task)
        return step.criterion(clean, targets) + self.beta * moved.mean()

    def to_dict(self) -> dict[str, Any]:
        """Method, β and the search."""
        return {"objective": "trades", "beta": self.beta, "search": dict(self.record)}


@dataclass
class _Carried:
    """The perturbation of free adversarial training on its way through an epoch."""

    delta: Tensor | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Free:
    r"""Free adversarial training: every backward pass moves both the weights and the perturbation.

    Each batch is trained on m times in a row. A replay takes the loss of $x + \delta$; its one backward pass gives the
    gradient of the weights for the optimiser, and that of δ for
    $\delta \leftarrow \Pi_\epsilon(\delta + \alpha \, \mathrm{sign} \nabla_\delta L)$. δ goes on from batch to batch.

    Args:
        advance: Gives the next δ; an image whose gradient is not finite keeps its δ.
        replays: m ≥ 1. An epoch makes m times as many steps; the publication divides the number of epochs by m.
        clip: Keep x + δ in [0, 1].
        record: What `advance` does, as plain values.

    Raises:
        ConfigError: `replays` below 1.

    References:
        Shafahi, A., Najibi, M., Ghiasi, A., Xu, Z., Dickerson, J., Studer, C., Davis, L. S., Taylor, G., Goldstein, T.
        (2019). Adversarial training for free! arXiv:1904.12843

    Deviations from the paper: δ starts at 0 in every epoch rather than in the first alone, so that an epoch is a
    function of weights, seed and number, and a stopped training goes on bit for bit; it concerns its first batch.
    """

    advance: Advance
    replays: int = 8
    clip: bool = True
    record: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_positive_int("replays", self.replays)

    def init(self) -> _Carried:
        """No perturbation."""
        return _Carried()

    def loss(self, state: _Carried, step: Step, images_nchw: Tensor, targets: Tensor) -> Tensor:
        """The loss of the perturbed images; when its gradient is known, δ moves."""
        if state.delta is None or len(state.delta) < len(images_nchw):
            state.delta = _lengthened(state.delta, images_nchw)
        carried, images = state.delta, images_nchw.detach()
        delta = carried[: len(images)].clone().requires_grad_()

        def follow(gradient: Tensor) -> None:
            known = gradient.isfinite().flatten(1).all(dim=1).view(-1, 1, 1, 1)
            now = delta.detach()
            carried[: len(images)] = torch.where(known, self.advance(images, now, gradient), now)

        delta.register_hook(follow)
        perturbed = images + delta
        return step.criterion(step.logits(perturbed.clamp(0, 1) if self.clip else perturbed), targets)

    def to_dict(self) -> dict[str, Any]:
        """Method, replays and how δ moves."""
        return {"objective": "free", "replays": self.replays, "clip": self.clip, "advance": dict(self.record)}


def divergence(clean_nk: Tensor, moved_nk: Tensor, task: Task) -> Tensor:
    r"""Kullback-Leibler divergence of what a network says of two images, from their logits.

    One class an image: $\sum_k p_k (\log p_k - \log q_k)$ with p, q the softmax of both. Several labels: the mean over
    the labels of $p \log(p / q) + (1 - p) \log((1 - p) / (1 - q))$ with p, q the sigmoid.

    Args:
        clean_nk: Logits (N, K) that give p.
        moved_nk: Logits (N, K) that give q.
        task: `single` or `multi`.

    Returns:
        (N,), each ≥ 0, in float32 at least.

    Raises:
        DataError: Logits of two shapes.

    Example:
        >>> round(divergence(torch.zeros(1, 2), torch.tensor([[2.0, 0.0]]), "single").item(), 4)
        0.4338
    """
    if clean_nk.shape != moved_nk.shape or clean_nk.ndim != 2:
        raise DataError(
            f"logits of both images must be (N, K), got {tuple(clean_nk.shape)} and {tuple(moved_nk.shape)}"
        )
    p, q = (z if z.dtype == torch.float64 else z.float() for z in (clean_nk, moved_nk))
    if task == "single":
        log_p, log_q = p.log_softmax(dim=1), q.log_softmax(dim=1)
        return (log_p.exp() * (log_p - log_q)).sum(dim=1)
    yes = p.sigmoid() * (functional.logsigmoid(p) - functional.logsigmoid(q))
    no = (-p).sigmoid() * (functional.logsigmoid(-p) - functional.logsigmoid(-q))
    return (yes + no).mean(dim=1)


def _lengthened(delta: Tensor | None, images: Tensor) -> Tensor:
    """The perturbation with zeros for images that are more than there were before."""
    found = torch.zeros_like(images, requires_grad=False)
    if delta is not None:
        found[: len(delta)] = delta
    return found
