"""What is measured of a classifier's output, one column each.

For an image of true class t with logits z and probabilities p = softmax(z):

* `probability`: p_t, in [0, 1]
* `margin`: z_t − max over k ≠ t of z_k, in logits; positive means correct
* `cross_entropy`: −log p_t, in nats
* `correct`: 1 when the largest logit is the true class's (the first such class at a tie), else 0
* `probability[NAME]`: the probability of the class NAME, whatever the true class

A last column, `PREDICTED`, holds the index of the predicted class; it is recorded, not analysed.

The mean of `correct` over images is the accuracy.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.special import log_softmax

from shiftgauge.checks import nearest, shortened
from shiftgauge.errors import ConfigError
from shiftgauge.types import OutputKind, OutputsNQ

STANDARD: Final = ("probability", "margin", "cross_entropy", "correct")
"""The quantities that every evaluation records."""
PREDICTED: Final = -1
"""Column of the predicted class's index in what `measure` gives."""

_TINY: Final = 1e-30
_SHOWN: Final = 12
"""Most classes that a message names."""


def quantity_names(classes: Sequence[str], class_names: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of all columns: the standard ones and one for each chosen class.

    Raises:
        ConfigError: A chosen class that the model does not have, with the nearest name, or one named twice.

    Example:
        >>> quantity_names(["cat"], ["cat", "dog"])[-1]
        'probability[cat]'
    """
    twice = [name for name in classes if list(classes).count(name) > 1]
    if twice:
        raise ConfigError(f"`classes` names `{twice[0]}` twice; name each class once")
    for name in classes:
        if name not in class_names:
            guess = nearest(name, class_names)
            hint = f" (did you mean `{guess}`?)" if guess else ""
            known = shortened(list(class_names), _SHOWN)
            raise ConfigError(f"the model has no class `{name}`{hint}; its classes are {known}")
    return (*STANDARD, *(f"probability[{name}]" for name in classes))


def with_class_of(quantity: str, classes: Sequence[str]) -> tuple[str, ...]:
    """The classes whose probability is recorded, with the one that a quantity asks for.

    Example:
        >>> with_class_of("probability[cat]", ["dog"]), with_class_of("margin", ["dog"])
        (('dog', 'cat'), ('dog',))
    """
    name = quantity[len("probability[") : -1] if quantity.startswith("probability[") and quantity.endswith("]") else ""
    return (*classes, name) if name and name not in classes else tuple(classes)


def finite_rows(*outputs: np.ndarray) -> np.ndarray:
    """Rows in which every number of every array is finite, bool (N,)."""
    return np.logical_and.reduce([np.isfinite(part).all(axis=1) for part in outputs])


def measure_finite(
    outputs_nk: np.ndarray, labels_n: np.ndarray, kind: OutputKind, chosen_classes: Sequence[int] = ()
) -> OutputsNQ:
    """Like `measure`; a row that holds NaN or infinity gives NaN throughout.

    Example:
        >>> measure_finite(np.array([[0.0, 0.0], [np.inf, 0.0]]), np.array([1, 1]), "logits")[:, 0].tolist()
        [0.5, nan]
    """
    finite = finite_rows(outputs_nk)
    if finite.all():
        return measure(outputs_nk, labels_n, kind, chosen_classes)
    found = np.full((len(finite), len(STANDARD) + len(chosen_classes) + 1), np.nan)
    if finite.any():
        found[finite] = measure(outputs_nk[finite], labels_n[finite], kind, chosen_classes)
    return found


def measure(
    outputs_nk: np.ndarray,
    labels_n: np.ndarray,
    kind: OutputKind,
    chosen_classes: Sequence[int] = (),
) -> OutputsNQ:
    """Computes every quantity from raw outputs, in float64.

    Args:
        outputs_nk: Logits or probabilities (N, K).
        labels_n: True class of each row (N,), in [0, K).
        kind: Which of the two `outputs_nk` are. Probabilities are turned into logits by their logarithm.
        chosen_classes: Indices of classes whose probability is recorded as well.

    Returns:
        Values (N, 4 + number of chosen classes + 1), in the order of `quantity_names`, the predicted class last.

    Example:
        >>> measure(np.array([[0.0, np.log(3.0)]]), np.array([1]), "logits").round(4).tolist()
        [[0.75, 1.0986, 0.2877, 1.0, 1.0]]
    """
    raw = np.asarray(outputs_nk, np.float64)
    logits = np.log(np.maximum(raw, _TINY)) if kind == "probabilities" else raw
    log_p = log_softmax(logits, axis=1)
    rows = np.arange(len(raw))
    true_logit = logits[rows, labels_n]
    others = logits.copy()
    others[rows, labels_n] = -np.inf
    predicted = logits.argmax(axis=1)
    columns = [
        np.exp(log_p[rows, labels_n]),
        true_logit - others.max(axis=1),
        -log_p[rows, labels_n],
        (predicted == labels_n).astype(np.float64),
        *(np.exp(log_p[:, index]) for index in chosen_classes),
        predicted.astype(np.float64),
    ]
    return np.column_stack(columns)
