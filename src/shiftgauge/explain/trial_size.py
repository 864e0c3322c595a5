"""A batch size for work of a known length: by trial where there is enough of it for one to pay."""

from collections.abc import Callable
from typing import Final

from shiftgauge.checks import require_positive_int
from shiftgauge.explain.batching import BATCH_SIZES, tuned_batch

USUAL_BATCH: Final = 32
"""What is taken without a trial."""
_TRIAL_FROM: Final = 16
"""So many of the largest batches make a trial worth its time."""


def batch_for(passes: int, run: Callable[[int], None], given: int | None = None) -> int:
    """Returns how many images to work on at a time.

    Args:
        passes: Images that will pass through the network in all.
        run: Works on that many images; called for a trial alone.
        given: What the caller asks for, ≥ 1, or None.

    Raises:
        ConfigError: `given` is no number ≥ 1.

    Example:
        >>> batch_for(100, lambda n: None), batch_for(100, lambda n: None, 7)
        (32, 7)
    """
    if given is not None:
        return require_positive_int("batch_size", given)
    return USUAL_BATCH if passes < _TRIAL_FROM * BATCH_SIZES[-1] else tuned_batch(run)
