"""A model of a table: rows of numbers in, one or several numbers out. Classifiers and regressors alike."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import torch
from scipy.special import expit, softmax
from torch import nn

from shiftgauge.errors import ModelError, NumericalError, ShiftgaugeError
from shiftgauge.models.conversion import evaluation_mode
from shiftgauge.models.weights import one_line
from shiftgauge.models.wrapper import FORWARD_ERRORS
from shiftgauge.types import FloatArray, OutputsNQ

OutputForm: TypeAlias = Literal["values", "logits", "probabilities"]
BATCH_ROWS: Final = 16384
"""Rows in one call of a model: small enough to stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class TableModel:
    """A trained model of rows of numbers, ready to be evaluated in batches.

    Args:
        predict: Rows (n, P) → raw outputs (n,) or (n, K).
        n_features: Number of columns P.
        outputs: Names of what `values` gives (Q,).
        classes: Names of the classes, where the outputs are their probabilities and the names are known; else empty.
        form: What the raw outputs are. `logits` become probabilities by softmax, or by the sigmoid where there is one
            column. Of two probabilities the second is kept, since the first says the same.
        fingerprint: Content hash of the model.
        description: JSON-able facts for the record.
        module: The network behind it, for exact derivatives.
        estimator: The scikit-learn estimator behind it, for retraining.

    Example:
        >>> model = TableModel(predict=lambda x: x.sum(axis=1), n_features=2, outputs=("sum",), fingerprint="sum")
        >>> model.values(np.ones((3, 2))).tolist()
        [[2.0], [2.0], [2.0]]
    """

    predict: Callable[[FloatArray], Any]
    n_features: int
    outputs: tuple[str, ...]
    fingerprint: str
    form: OutputForm = "values"
    classes: tuple[str, ...] = ()
    description: Mapping[str, object] = field(default_factory=dict)
    module: nn.Module | None = None
    estimator: Any = None

    def values(
        self,
        rows_np: FloatArray,
        on_batch: Callable[[int], None] | None = None,
        *,
        require_finite: bool = True,
    ) -> OutputsNQ:
        """Outputs (n, Q), in batches; `on_batch` is told the size of each.

        Without `require_finite` a row for which the model gives NaN or infinity gives NaN throughout.

        Raises:
            ModelError: The model fails, or gives another shape than before.
            NumericalError: An output is NaN or infinite; the message gives the row.
        """
        rows = np.asarray(rows_np, float)
        parts = []
        for start in range(0, len(rows), BATCH_ROWS):
            batch = rows[start : start + BATCH_ROWS]
            parts.append(self._batch(batch, require_finite))
            if on_batch is not None:
                on_batch(len(batch))
        return np.concatenate(parts) if parts else np.empty((0, len(self.outputs)))

    def derivatives(self, rows_np: FloatArray, *, second: bool = True) -> tuple[FloatArray, FloatArray]:
        """First (n, Q, P) and second (n, Q, P, P) partial derivatives of the outputs by automatic differentiation.

        Raises:
            ModelError: There is no network, or it cannot be differentiated.
        """
        if self.module is None:
            raise ModelError("only a torch network has exact derivatives; use central differences")
        first, after = [], []
        for start in range(0, len(rows_np), 1024):
            a, b = self._differentiate(self.module, rows_np[start : start + 1024], second)
            first.append(a)
            after.append(b)
        return np.concatenate(first), np.concatenate(after)

    def _batch(self, batch: FloatArray, require_finite: bool) -> OutputsNQ:
        raw = call_model(self.predict, batch)
        with np.errstate(invalid="ignore"):  # infinite logits
            found = shaped(raw, self.form)
        if found.shape[1] != len(self.outputs):
            raise ModelError(f"the model gives {found.shape[1]} outputs for this batch, {len(self.outputs)} before")
        failed = np.asarray(~np.isfinite(found).all(axis=1))
        if failed.any() and require_finite:
            where = ", ".join(f"{v:.6g}" for v in batch[int(np.argmax(failed))])
            raise NumericalError(
                f"the model gives NaN or infinity for the row ({where}); check the model there, narrow the space, or "
                "leave such cases out with on_failure: drop"
            )
        return np.where(failed[:, None], np.nan, found) if failed.any() else found

    def _differentiate(self, module: nn.Module, rows: FloatArray, second: bool) -> tuple[FloatArray, FloatArray]:
        n, p, q = len(rows), rows.shape[1], len(self.outputs)
        first, after = np.zeros((n, q, p)), np.zeros((n if second else 0, q, p, p))
        with evaluation_mode(module), torch.enable_grad():
            x = torch.tensor(rows, dtype=dtype_of(module), device=device_of_module(module)).requires_grad_()
            try:
                outputs = _shaped_tensor(module(x), self.form)
                for k in range(q):
                    slope = _gradient(outputs[:, k], x, keep=True)
                    first[:, k] = slope.detach().cpu().numpy()
                    for i in range(p if second else 0):
                        if slope.requires_grad:
                            after[:, k, i] = _gradient(slope[:, i], x, keep=True).detach().cpu().numpy()
            except FORWARD_ERRORS as error:
                raise ModelError(f"the network cannot be differentiated: {one_line(error)}") from error
        return first, after


def call_model(predict: Callable[[FloatArray], Any], rows: FloatArray) -> FloatArray:
    """Calls a user's model and returns its outputs as float64 (n, K).

    Raises:
        ModelError: The model fails, or gives something that is no array with one row for each input row.
    """
    try:
        raw = predict(rows)
    except ShiftgaugeError:
        raise
    except FORWARD_ERRORS as error:
        raise ModelError(f"the model fails on rows of the shape {rows.shape}: {one_line(error)}") from error
    with contextlib.suppress(AttributeError):
        raw = raw.logits
    if isinstance(raw, torch.Tensor):
        raw = raw.detach().cpu().double().numpy()
    try:
        values = np.asarray(raw, float)
    except (TypeError, ValueError) as error:
        raise ModelError(_no_numbers(raw)) from error
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != len(rows) or not values.shape[1]:
        raise ModelError(f"the model must give ({len(rows)},) or ({len(rows)}, K) numbers, got {values.shape}")
    return values


def _no_numbers(raw: Any) -> str:
    if isinstance(raw, np.ndarray) and raw.dtype.kind in "USO" and raw.size:
        return (
            f"the model gives names such as `{raw.ravel()[0]}`, no numbers; give its predict_proba, or the whole "
            "estimator instead of its predict"
        )
    return f"the model must give numbers (n, K), got {type(raw).__name__}"


def shaped(raw_nk: FloatArray, form: OutputForm) -> OutputsNQ:
    """Raw outputs as what is audited: probabilities of logits; of two probabilities the second.

    Example:
        >>> shaped(np.array([[0.0]]), "logits").tolist(), shaped(np.array([[0.3, 0.7]]), "probabilities").tolist()
        ([[0.5]], [[0.7]])
    """
    if form == "values":
        return raw_nk
    if form == "logits":
        raw_nk = expit(raw_nk) if raw_nk.shape[1] == 1 else softmax(raw_nk, axis=1)
    return raw_nk[:, 1:] if raw_nk.shape[1] == 2 else raw_nk


def output_names(n_raw: int, form: OutputForm, classes: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the audited outputs from the number of raw ones and the classes, where they are known.

    Raises:
        ModelError: The number of classes does not fit.

    Example:
        >>> output_names(2, "logits", ("no", "yes")), output_names(1, "values", None)
        (('probability[yes]',), ('output',))
    """
    single = n_raw == 1 and form != "values"
    if classes is not None and len(classes) != (2 if single and len(classes) == 2 else n_raw):
        raise ModelError(f"the model gives {n_raw} outputs, but {len(classes)} classes are named; name one for each")
    names = tuple(classes) if classes is not None else tuple(f"output {k}" for k in range(n_raw))
    if classes is not None and form != "values":
        names = tuple(f"probability[{name}]" for name in classes)
    if n_raw == 1:
        return (names[-1],) if classes is not None else ("output",)
    return names[1:] if form != "values" and n_raw == 2 else names


def dtype_of(module: nn.Module) -> torch.dtype:
    """The type of a network's parameters; float32 where it has none."""
    found = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    return found if found in (torch.float32, torch.float64) else torch.float32


def device_of_module(module: nn.Module) -> torch.device:
    """Where a network's parameters are."""
    return next((p.device for p in module.parameters()), torch.device("cpu"))


def _shaped_tensor(raw: Any, form: OutputForm) -> torch.Tensor:
    value = getattr(raw, "logits", raw)
    value = value[:, None] if value.ndim == 1 else value
    if form == "logits":
        value = torch.sigmoid(value) if value.shape[1] == 1 else torch.softmax(value, dim=1)
    return value[:, 1:] if form != "values" and value.shape[1] == 2 else value


def _gradient(values: torch.Tensor, x: torch.Tensor, *, keep: bool) -> torch.Tensor:
    (found,) = torch.autograd.grad(values.sum(), x, create_graph=keep, retain_graph=True, allow_unused=True)
    return torch.zeros_like(x) if found is None else found
