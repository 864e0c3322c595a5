"""The front door to models of tables: from a specification, a network, an estimator or a function to a `TableModel`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch
from torch import nn

from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.files import hash_bytes, hash_file, hash_json
from shiftgauge.models.exported_model import open_program, quiet_export
from shiftgauge.models.fingerprint import hash_callable, hash_module
from shiftgauge.models.load import call_factory, fill_weights
from shiftgauge.models.onnx_model import ONNX_DTYPES, hash_onnx, open_session, runtime_errors
from shiftgauge.models.padding import run_in_fixed_batches
from shiftgauge.models.scaling import ScaledNetwork, forward_of, scale_of, scaler
from shiftgauge.models.sklearn_model import open_estimator
from shiftgauge.models.table_model import OutputForm, TableModel, call_model, output_names
from shiftgauge.models.table_specification import TableModelSpec
from shiftgauge.models.weights import one_line
from shiftgauge.types import FloatArray


def load_table_model(
    spec: Any, feature_names: Sequence[str], sample_np: FloatArray, *, trust: bool = False, device: str | None = None
) -> TableModel:
    """Returns a model of a table for whatever describes one.

    Args:
        spec: A `TableModelSpec`, a mapping of its fields, an `nn.Module`, a scikit-learn estimator, a callable
            (n, P) → (n,) or (n, K), or a `TableModel`, which is returned as it is.
        feature_names: Names of the table's columns, in order; an estimator that knows names gets its own order.
        sample_np: Some rows of the table (n, P), to see what the model gives.
        trust: Open pickled files that can run code.
        device: Where a network runs; default the CPU, since networks of tables are small.

    Raises:
        ConfigError: The specification is malformed.
        ModelError: The model cannot be loaded safely, or does not take such rows.

    Example:
        >>> model = load_table_model(lambda x: x @ np.array([1.0, 2.0]), ("a", "b"), np.zeros((2, 2)))
        >>> model.outputs, model.values(np.ones((1, 2))).tolist()
        (('output',), [[3.0]])
    """
    if isinstance(spec, TableModel):
        return spec
    chosen = _as_spec(spec)
    place = torch.device(device or "cpu")
    openers: dict[str, Callable[[], TableModel]] = {
        "factory": lambda: _of_factory(chosen, feature_names, sample_np, trust, place),
        "module": lambda: _of_module(chosen, chosen.target, sample_np, place, {"kind": "module"}),
        "pt2": lambda: _of_exported(chosen, sample_np, trust, place),
        "onnx": lambda: _of_onnx(chosen, sample_np, place),
        "sklearn": lambda: _of_estimator(chosen, feature_names, sample_np, trust),
        "callable": lambda: _of_callable(chosen, sample_np),
    }
    return openers[chosen.kind]()


def _as_spec(spec: Any) -> TableModelSpec:
    if isinstance(spec, TableModelSpec):
        return spec
    if isinstance(spec, Mapping):
        return TableModelSpec.from_mapping(spec)
    if isinstance(spec, nn.Module):
        return TableModelSpec(kind="module", target=spec)
    if callable(getattr(spec, "predict", None)):
        return TableModelSpec(kind="sklearn", target=spec)
    if callable(spec):
        return TableModelSpec(kind="callable", target=spec)
    raise ConfigError(f"a table model is a specification, a network, an estimator or a callable, not {type(spec)}")


def _of_factory(
    spec: TableModelSpec, names: Sequence[str], sample: FloatArray, trust: bool, device: torch.device
) -> TableModel:
    made = call_factory(str(spec.name), spec.arguments)
    facts: dict[str, object] = {"kind": "factory", "name": spec.name}
    if isinstance(made, nn.Module):
        if spec.weights is not None:
            facts |= fill_weights(made, spec.weights, spec.weights_by, trust)
        return _of_module(spec, made, sample, device, facts)
    if spec.weights is not None:
        raise ConfigError(f"`weights` need a torch module, but `{spec.name}` gives {type(made).__name__}")
    found = TableModelSpec(
        kind="sklearn" if callable(getattr(made, "predict", None)) else "callable",
        target=made,
        classes=spec.classes,
        output=spec.output,
        mean=spec.mean,
        std=spec.std,
        fingerprint=spec.fingerprint,
    )
    if found.kind == "callable" and not callable(made):
        raise ModelError(f"`{spec.name}` must give a network, an estimator or a callable, got {type(made).__name__}")
    return load_table_model(found, names, sample, trust=trust)


def _of_module(
    spec: TableModelSpec, module: Any, sample: FloatArray, device: torch.device, facts: dict[str, object]
) -> TableModel:
    if not isinstance(module, nn.Module):
        raise ConfigError(f"a model of kind module needs a torch module as `target`, got {type(module).__name__}")
    network = (
        ScaledNetwork(copy.deepcopy(module), scale_of(spec.mean, spec.std, sample.shape[1]))
        .to(device)
        .eval()
        .requires_grad_(False)
    )
    facts = {
        **facts,
        "architecture": type(module).__name__,
        "n_parameters": sum(p.numel() for p in module.parameters()),
    }
    return _built(spec, forward_of(network, None), sample, hash_module(module), facts, module=network)


def _of_exported(spec: TableModelSpec, sample: FloatArray, trust: bool, device: torch.device) -> TableModel:
    file = Path(str(spec.path))
    program = open_program(file, trust=trust)
    inputs = {n.name: n.meta.get("val") for n in program.graph.nodes if n.op == "placeholder"}
    values = [inputs.get(str(name)) for name in program.graph_signature.user_inputs]
    if len(values) != 1 or not isinstance(values[0], torch.Tensor) or values[0].ndim != 2:
        raise ModelError(f"{file} must take one table (n, {sample.shape[1]}) of numbers; it takes other inputs")
    with quiet_export():
        inner = program.module()
    network = ScaledNetwork(inner, scale_of(spec.mean, spec.std, sample.shape[1])).to(device).requires_grad_(False)
    rows = values[0].shape[0]
    fixed = rows if isinstance(rows, int) else None
    facts: dict[str, object] = {"kind": "pt2", "path": file.name, "fixed_batch": fixed}
    free = network if fixed is None else None
    return _built(spec, forward_of(network, fixed), sample, hash_file(file), facts, module=free)


def _of_onnx(spec: TableModelSpec, sample: FloatArray, device: torch.device) -> TableModel:
    file = Path(str(spec.path))
    session = open_session(file, device)
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in ONNX_DTYPES or len(inputs[0].shape) != 2:
        shown = ", ".join(f"{i.type} of {len(i.shape)} axes" for i in inputs)
        raise ModelError(f"{file} must take one table (n, {sample.shape[1]}) of floats; it takes {shown}")
    outputs, size = [o.name for o in session.get_outputs()], inputs[0].shape[0]
    name = outputs[-1] if "probabilities" in outputs else outputs[0]
    dtype, scale = ONNX_DTYPES[inputs[0].type], scaler(scale_of(spec.mean, spec.std, sample.shape[1]))
    facts: dict[str, object] = {"kind": "onnx", "path": file.name, "output": name}

    def call(rows: torch.Tensor) -> torch.Tensor:
        array = np.ascontiguousarray(rows.numpy().astype(dtype, copy=False))
        try:
            return torch.as_tensor(np.asarray(session.run([name], {inputs[0].name: array})[0]))
        except runtime_errors() as error:
            raise ModelError(f"onnxruntime fails on rows of the shape {array.shape}: {one_line(error)}") from error

    def predict(rows: FloatArray) -> Any:
        return run_in_fixed_batches(call, torch.tensor(scale(rows)), size if isinstance(size, int) else None)

    return _built(spec, predict, sample, hash_onnx(file), facts)


def _of_estimator(spec: TableModelSpec, names: Sequence[str], sample: FloatArray, trust: bool) -> TableModel:
    file = None if spec.target is not None else Path(str(spec.path))
    estimator = spec.target if file is None else open_estimator(file, trust=trust)
    methods = [m for m in ("predict_proba", "decision_function", "predict") if callable(getattr(estimator, m, None))]
    if not methods:
        raise ModelError(f"{type(estimator).__name__} has no predict method; fit an estimator and give that")
    known = getattr(estimator, "feature_names_in_", None)
    if known is not None and sorted(map(str, known)) != sorted(names):
        odd = next(n for n in [*map(str, known), *names] if (n in names) != (n in list(map(str, known))))
        raise ModelError(f"the estimator was fitted on columns with other names: `{odd}` is on one side alone")
    method, scale, width = (
        methods[0],
        scaler(scale_of(spec.mean, spec.std, sample.shape[1])),
        getattr(estimator, "n_features_in_", None),
    )
    if width is not None and width != sample.shape[1]:
        raise ModelError(f"the estimator takes {width} features, the table has {sample.shape[1]}; name `features`")

    def predict(rows: FloatArray) -> Any:
        given: Any = scale(rows)
        if known is not None:
            given = pd.DataFrame(given, columns=list(names))[[str(k) for k in known]]
        return getattr(estimator, method)(given)

    own = getattr(estimator, "classes_", None) if method != "predict" else None
    form: OutputForm = "probabilities" if method == "predict_proba" else "values"
    facts: dict[str, object] = {"kind": "sklearn", "architecture": type(estimator).__name__, "scores_from": method}
    classes = spec.classes if spec.classes is not None or own is None else [str(c) for c in own]
    if method == "decision_function" and own is not None and len(own) == 2:
        classes = [f"score of {own[1]}"] if spec.classes is None else [spec.classes[-1]]
    named = TableModelSpec(
        kind="sklearn", target=estimator, classes=classes, output=spec.output or form, mean=spec.mean, std=spec.std
    )
    content = hash_file(file) if file is not None else str(joblib.hash(estimator))
    return _built(named, predict, sample, content, facts, estimator=estimator)


def _of_callable(spec: TableModelSpec, sample: FloatArray) -> TableModel:
    function, scale = spec.target, scaler(scale_of(spec.mean, spec.std, sample.shape[1]))
    if not callable(function):
        raise ConfigError(f"a model of kind callable needs a callable `target`, got {type(function).__name__}")
    stated = spec.fingerprint
    content = hash_callable(function) if stated is None else hash_bytes(b"stated", stated.encode())
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return _built(spec, lambda rows: function(scale(rows)), sample, content, {"kind": "callable", "name": name})


def _built(
    spec: TableModelSpec,
    predict: Callable[[FloatArray], Any],
    sample: FloatArray,
    content: str,
    facts: dict[str, object],
    *,
    module: nn.Module | None = None,
    estimator: Any = None,
) -> TableModel:
    form: OutputForm = spec.output or "values"
    raw = call_model(predict, sample[:2])
    outputs = output_names(raw.shape[1], form, spec.classes)
    scale = [None if v is None else [float(x) for x in v] for v in (spec.mean, spec.std)]
    return TableModel(
        predict=predict,
        n_features=sample.shape[1],
        outputs=outputs,
        form=form,
        classes=() if form == "values" or spec.classes is None else tuple(spec.classes),
        fingerprint=hash_json([content, form, list(outputs), scale]),
        description={**facts, "output": form, "outputs": list(outputs), "mean": scale[0], "std": scale[1]},
        module=module,
        estimator=estimator,
    )
