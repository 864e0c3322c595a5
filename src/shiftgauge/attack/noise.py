"""Random noise: what a change of the same size does that knows nothing of the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from shiftgauge.attack.problem import Problem
from shiftgauge.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class UniformNoise:
    r"""Independent values, uniform in [-ε, ε]; in L2 scaled to the length ε.

    $$ \delta = \epsilon \, u \ (L_\infty), \qquad \delta = \epsilon \, u / \lVert u \rVert_2 \ (L_2), \qquad
       u \sim U(-1, 1)^d $$

    In L∞ its standard deviation is ε/√3, so that it is 4.77 dB quieter than a change by ±ε. Asked for in dB, it is
    scaled to that ratio, image by image, whatever the norm. The same draws serve every ε, so that curves are smooth.

    Example:
        >>> UniformNoise().name
        'uniform_noise'
    """

    name: ClassVar[str] = "uniform_noise"
    needs_gradient: ClassVar[bool] = False
    is_noise: ClassVar[bool] = True

    def direction(self, problem: Problem) -> tuple[Tensor, Tensor | None, Tensor]:
        """The draws, of length at most 1 in the ball's norm."""
        shape = problem.ball.centre.shape[1:]
        drawn = problem.draw(self.name, 0, lambda rng: rng.random(shape, dtype=np.float32))
        drawn = drawn.mul_(2).sub_(1)
        return _scaled(problem, drawn)


@dataclass(frozen=True, kw_only=True)
class GaussianNoise:
    r"""Independent normal values, scaled to the length ε in L2, or to a ratio in dB.

    $$ \delta = \epsilon \, g / \lVert g \rVert_2, \qquad g \sim N(0, 1)^d $$

    A standard deviation σ in every value is the length ε = σ √d, which the scaling makes exact. Normal values have no
    largest one, so that there is no such noise in an L∞ ball.

    Example:
        >>> GaussianNoise().name
        'gaussian_noise'
    """

    name: ClassVar[str] = "gaussian_noise"
    needs_gradient: ClassVar[bool] = False
    is_noise: ClassVar[bool] = True

    def direction(self, problem: Problem) -> tuple[Tensor, Tensor | None, Tensor]:
        """The draws, of length 1 in L2.

        Raises:
            ConfigError: The ball is one of L∞.
        """
        if problem.ball.norm != "l2":
            raise ConfigError(
                "Gaussian noise has no largest value, so that it fits no `linf` ball; give `norm` l2 with the length "
                "ε = σ √d, or a ratio with `snr_db`"
            )
        shape = problem.ball.centre.shape[1:]
        return _scaled(problem, problem.draw(self.name, 0, lambda rng: rng.standard_normal(shape, dtype=np.float32)))


def _scaled(problem: Problem, drawn: Tensor) -> tuple[Tensor, None, Tensor]:
    unit = problem.ball.unit(drawn) if problem.ball.norm == "l2" else drawn
    return unit, None, torch.zeros(len(problem), dtype=torch.bool, device=drawn.device)
