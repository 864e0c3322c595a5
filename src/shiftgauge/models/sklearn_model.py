"""A scikit-learn estimator as a classifier of images."""

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch

from shiftgauge.checks import require_in, unknown_name
from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.files import hash_file
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.specification import ModelSpec
from shiftgauge.models.weights import one_line
from shiftgauge.models.wrapper import ImageClassifier
from shiftgauge.types import Execution


class SklearnClassifier(ImageClassifier):
    """Wraps an estimator that was fitted on flattened images.

    `predict_proba` is used where there is one, else `decision_function` (a single column d becomes
    the logits (0, d)).

    Args:
        estimator: A fitted classifier or pipeline.
        preprocessing: How images reach it.
        feature_order: `hwc` (default) if images were flattened as rows, columns, channels, as
            NumPy images are; `chw` if channels came first.
        classes: Names of the classes; None takes the estimator's `classes_`.
        output_kind: `logits`, `probabilities` or None to detect.
        content: Content hash; None to make one from the estimator's state.
        source: Further facts for the record.

    Raises:
        ModelError: The estimator is not fitted, takes another number of features, or gives no scores.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> e = LogisticRegression().fit([[0, 0, 0, 0.1], [1, 1, 1, 0.9]], ["dark", "light"])
        >>> SklearnClassifier(e, preprocessing=Preprocessing(height=2, width=2, channels=1)).class_names
        ('dark', 'light')
    """

    def __init__(
        self,
        estimator: Any,
        *,
        preprocessing: Preprocessing,
        feature_order: str = "hwc",
        classes: Any = None,
        output_kind: str | None = None,
        content: str | None = None,
        source: dict[str, object] | None = None,
    ) -> None:
        self._order = require_in("feature order", feature_order, ("hwc", "chw"))
        self._estimator = estimator
        self._score = _score_of(estimator)
        features, size = getattr(estimator, "n_features_in_", None), int(np.prod(preprocessing.input_shape))
        if features is not None and features != size:
            shape = "×".join(str(v) for v in preprocessing.input_shape)
            raise ModelError(f"the estimator takes {features} features, the preprocessing gives {shape} = {size}")
        facts: dict[str, object] = {
            "kind": "sklearn",
            "architecture": type(estimator).__name__,
            "feature_order": self._order,
            "scores_from": self._score,
            **(source or {}),
        }
        super().__init__(preprocessing=preprocessing, source=facts, content=content or str(joblib.hash(estimator)))
        own = getattr(estimator, "classes_", None)
        stated = classes if classes is not None or own is None else _own_names(own)
        self._settle(stated, output_kind or ("probabilities" if self._score == "predict_proba" else "logits"))

    def _forward(self, images_nchw: torch.Tensor, execution: Execution) -> Any:
        images = self._preprocessing.normalise(images_nchw.cpu())
        if self._order == "hwc":
            images = images.permute(0, 2, 3, 1)
        scores = np.asarray(getattr(self._estimator, self._score)(images.reshape(len(images), -1).numpy()))
        return np.stack([np.zeros_like(scores), scores], axis=1) if scores.ndim == 1 else scores


def load_sklearn(spec: ModelSpec, trust: bool) -> SklearnClassifier:
    """Loads an estimator from a joblib or pickle file, or takes the one in the specification.

    Args:
        spec: A specification of kind `sklearn`.
        trust: Needed for a file: pickles run code when opened.

    Raises:
        ModelError: The file is not trusted, missing or damaged, or the estimator is no classifier.
    """
    content, estimator = None, spec.target
    source: dict[str, object] = {}
    for key in spec.arguments:
        if key != "feature_order":
            raise ConfigError(unknown_name("argument of a sklearn model", str(key), ["feature_order"]))
    if estimator is None:
        file = Path(str(spec.path))
        estimator = open_estimator(file, trust=trust)
        content = hash_file(file)
        source["path"] = file.name
    return SklearnClassifier(
        estimator,
        preprocessing=spec.resolve_preprocessing(),
        feature_order=str(spec.arguments.get("feature_order", "hwc")),
        classes=spec.classes,
        output_kind=spec.output_kind,
        content=content if spec.fingerprint is None else spec.fingerprint,
        source=source,
    )


def open_estimator(file: Path, *, trust: bool) -> Any:
    """Opens a joblib or pickle file that the user trusts.

    Raises:
        ModelError: The file is missing, not trusted or damaged.
    """
    if not file.is_file():
        raise ModelError(f"model file {file} does not exist")
    if not trust:
        raise ModelError(
            f"{file} is a pickle that can run code when opened; pass --trust (trust=True) if you know who made it"
        )
    try:
        return joblib.load(file)
    except (
        pickle.UnpicklingError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        ImportError,
        IndexError,
    ) as error:
        raise ModelError(f"{file} is not a readable joblib or pickle file: {one_line(error)}") from error


def _score_of(estimator: Any) -> str:
    for name in ("predict_proba", "decision_function"):
        if callable(getattr(estimator, name, None)):
            return name
    raise ModelError(
        f"{type(estimator).__name__} gives neither predict_proba nor decision_function; "
        "wrap it in CalibratedClassifierCV or use an estimator with scores"
    )


def _own_names(classes: Any) -> tuple[str, ...]:
    return tuple(str(c) for c in classes)
