"""What is measured of a classifier of several labels, in the same columns as for one class.

An image has a set of labels, written y_k ∈ {0, 1}; the classifier gives each label a probability p_k of its own and
says that it holds when p_k ≥ t_k, its threshold. With q_k = p_k where y_k = 1 and 1 − p_k where y_k = 0, taken as
independent of each other:

* `probability`: Π_k q_k, the probability of exactly the true set
* `margin`: the smallest over k of ± (logit p_k − logit t_k), + where y_k = 1 and − where y_k = 0; positive means that
  every label is right
* `cross_entropy`: −Σ_k log q_k, in nats
* `correct`: 1 when every label is right, else 0; its mean over images is the exact-match accuracy
* `probability[NAME]`: p_k of the label NAME, whatever the truth

With two labels of which exactly one holds this is not the same as one class of two: there the probabilities sum to one.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.special import logit

from shiftgauge.evaluate.quantities import finite_rows
from shiftgauge.types import FloatArray, OutputsNQ

MAX_LABELS: Final = 52
"""Most labels of which the predicted set can be recorded as one number."""
_EPSILON: Final = 2.0**-25
"""Probabilities are kept this far from 0 and 1, where float32 cannot tell them apart."""


def measure_sets(
    probabilities_nk: np.ndarray, truth_nk: np.ndarray, thresholds_k: Sequence[float], chosen_labels: Sequence[int] = ()
) -> OutputsNQ:
    """Computes every quantity from independent probabilities, in float64; rows that are not finite give NaN.

    Args:
        probabilities_nk: Probability of each label (N, K), in [0, 1].
        truth_nk: 1 where a label holds, else 0 (N, K).
        thresholds_k: Threshold of each label, in [0, 1].
        chosen_labels: Indices of labels whose probability is recorded as well.

    Returns:
        Values (N, 4 + number of chosen labels + 1), in the order of `quantity_names`, the code of the predicted set
        (`set_codes`) last.

    Example:
        >>> measure_sets(np.array([[0.75, 0.5]]), np.array([[1, 0]]), [0.5, 0.6]).round(4).tolist()
        [[0.375, 0.4055, 0.9808, 1.0, 1.0]]
    """
    raw = np.asarray(probabilities_nk, np.float64)
    finite = finite_rows(raw)
    given = np.where(finite[:, None], raw, 0.5)
    holds = np.asarray(truth_nk, np.float64) > 0.5
    limits = np.asarray(thresholds_k, np.float64)
    p = given.clip(_EPSILON, 1 - _EPSILON)
    right = np.where(holds, np.log(p), np.log1p(-p)).sum(axis=1)
    above = logit(p) - logit(limits.clip(_EPSILON, 1 - _EPSILON))
    said = given >= limits
    columns = [
        np.exp(right),
        np.where(holds, above, -above).min(axis=1),
        -right,
        (said == holds).all(axis=1).astype(np.float64),
        *(given[:, k] for k in chosen_labels),
        set_codes(said),
    ]
    return np.where(finite[:, None], np.column_stack(columns), np.nan)


def set_codes(sets_nk: np.ndarray) -> FloatArray:
    """Writes sets of labels as numbers: Σ_k 2^k over the labels that hold, exact for up to 52 labels.

    Example:
        >>> set_codes(np.array([[1, 0, 1], [0, 0, 0]])).tolist()
        [5.0, 0.0]
    """
    sets = np.asarray(sets_nk, np.float64) > 0.5
    return sets.astype(np.float64) @ np.exp2(np.arange(sets.shape[1]))


def set_text(code: float, names: Sequence[str]) -> str:
    """Names a set of labels.

    Example:
        >>> set_text(5.0, ["scratch", "stain", "chip"]), set_text(0.0, ["scratch"])
        ('scratch + chip', 'no label')
    """
    found = [name for k, name in enumerate(names) if int(code) >> k & 1]
    return " + ".join(found) or "no label"
