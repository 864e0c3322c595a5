"""The fast gradient sign method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from shiftgauge.attack.losses import LOSSES, LossName
from shiftgauge.attack.problem import Problem
from shiftgauge.checks import require_in


@dataclass(frozen=True, kw_only=True)
class FGSM:
    r"""One step of the full length against the gradient at the image.

    $$ x' = x + \epsilon \, \mathrm{sign} \, \nabla_x L \ (L_\infty), \qquad
       x' = x + \epsilon \, \nabla_x L / \lVert \nabla_x L \rVert_2 \ (L_2) $$

    The gradient does not depend on ε, so that a curve over many ε costs one gradient. The sign of 0 is 0: such pixels
    stay, and the change is then quieter than ε. Where x + ε as float32 would lie outside the ball, the neighbouring
    value inside is taken; else the images are those of the published formula. (The sign of a derivative that is smaller
    than what rounding adds to it depends on how the network is run; see `execution` of `attack_images`.)

    Args:
        loss: What is raised; default the cross-entropy of the logits, as published. (The code of the eye-state study
            gave softmax outputs where logits were expected, so that its signs differ.)

    Raises:
        ConfigError: An unknown loss.

    Example:
        >>> FGSM().loss
        'ce'

    References:
        Goodfellow, I. J.; Shlens, J.; Szegedy, C. (2015). Explaining and harnessing adversarial examples. ICLR 2015.
        arXiv:1412.6572
    """

    loss: LossName = "ce"

    name: ClassVar[str] = "fgsm"
    needs_gradient: ClassVar[bool] = True
    is_noise: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_in("loss", self.loss, LOSSES)

    def direction(self, problem: Problem) -> tuple[Tensor, Tensor | None, Tensor]:
        """The steepest direction at the images, their logits, and which gradients are 0."""
        slope = problem.slope(problem.ball.centre, self.loss)
        return problem.ball.steepest(slope.gradient), slope.logits, slope.flat
