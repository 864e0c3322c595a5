"""Steps of an ascent that know no network: what its changes would look like if the network said nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from shiftgauge.errors import ConfigError
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.models.input_scale import InputScale
from shiftgauge.random import generator


def random_steps(
    images_nchw: torch.Tensor, scale: InputScale, options: ActivationMaximization, *, anew: bool = True
) -> npt.NDArray[np.float32]:
    """Goes as many steps of the same length as an ascent, in random directions and within the same bounds.

    Where an image is black it can become brighter alone, so that random steps too make it brighter, and leave more of
    themselves where it is not cut off. What an ascent shows has to be held against them, not against an even map. Two
    kinds stand for the two ends of how an ascent may go: to and fro (`anew`), or straight on.

    Args:
        images_nchw: Where they begin, (n, C, H, W), pixels in [0, 1].
        scale: The units of the steps.
        options: Those of the ascent, with the `gradient` `normalised`; its views must look at the image in place.
        anew: Draw the direction anew for each step; False keeps the first one.

    Returns:
        Images (n, C, H, W), pixels.

    Raises:
        ConfigError: Steps that have no length of their own.

    Example:
        >>> from shiftgauge.models.input_scale import InputScale
        >>> grey = InputScale(mean=(0.0,), std=(1.0,))
        >>> options = ActivationMaximization(steps=3, step_size=0.1, gradient="normalised", penalty_size=0.0)
        >>> straight = random_steps(torch.full((1, 1, 8, 8), 0.5), grey, options, anew=False)
        >>> round(float(np.linalg.norm(straight - 0.5)), 3)
        0.3
    """
    if options.gradient != "normalised":
        raise ConfigError("random steps need a length; give an ascent with the `gradient` `normalised`")
    state = options.init(images_nchw.to(torch.float32), scale)
    for step in range(options.steps):
        rng = generator(options.seed, "explain", "random steps", step if anew else 0)
        drawn = torch.from_numpy(rng.standard_normal(tuple(images_nchw.shape), dtype=np.float32))

        def activate(images: torch.Tensor, drawn: torch.Tensor = drawn) -> tuple[torch.Tensor, torch.Tensor]:
            raised = (images * drawn).sum(dim=(1, 2, 3))
            return raised, raised[:, None]

        state, _ = options.step(state, activate)
    return state.images_nchw.numpy()
