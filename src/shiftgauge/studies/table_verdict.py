"""The verdict of a table audit: a headline, findings about trust, and the gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.checks import require_in, require_range, unknown_name
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.result import Indices
from shiftgauge.results.audit import is_factual
from shiftgauge.results.status import Gate, Message
from shiftgauge.studies.failures import failure_messages
from shiftgauge.studies.verdict_facts import readable

GATES: Final = ("min_accuracy", "max_total_order", "max_first_order")
_WIDE: Final = 0.05
_CORRELATED: Final = 0.3
_IDLE: Final = 0.01
"""An input whose total index lies below this with its whole interval hardly matters."""
_SHOWN: Final = 8
"""Most names of a list in a sentence."""
_TOLD: Final = 0.1
"""Share of the variance from which what inputs do together belongs in the headline."""


def check_table_gates(gates: Mapping[str, Any] | None, inputs: Sequence[str]) -> dict[str, float]:
    """Flattens gates to {"max_total_order.age": 0.3, …} and checks names and numbers.

    Raises:
        ConfigError: An unknown gate or input, or a limit that is no share.

    Example:
        >>> check_table_gates({"max_total_order": {"age": 0.5}}, ("age", "bmi"))
        {'max_total_order.age': 0.5}
    """
    flat: dict[str, float] = {}
    for name, limit in (gates or {}).items():
        if limit is None:
            continue
        if name not in GATES:
            raise ConfigError(unknown_name("gate of a table audit", name, GATES))
        if name == "min_accuracy":
            flat[name] = require_range(f"gates.{name}", limit, 0, 1)
            continue
        for key, value in (limit if isinstance(limit, Mapping) else dict.fromkeys(inputs, limit)).items():
            require_in(f"input in gates.{name}", key, inputs)
            flat[f"{name}.{key}"] = require_range(f"gates.{name}.{key}", value, 0)
    return flat


def judge_table_gates(limits: Mapping[str, float], arrays: xr.Dataset) -> tuple[Gate, ...]:
    """Compares every limit with what was measured; an undefined value does not pass."""
    return tuple(_judge(name, limit, arrays) for name, limit in limits.items())


def table_headline(arrays: xr.Dataset) -> str:
    """The verdict in one or two sentences."""
    q = str(arrays.attrs["quantity_of_interest"])
    total = arrays["total_order"].sel(quantity=q)
    if not np.isfinite(total.values).any():
        return f"{_output(q)} did not change anywhere in the space: no sensitivity can be stated."
    if not is_factual(arrays, q):
        share = max(float(arrays["surrogate_share"].sel(quantity=q)), 0)
        return (
            f"No index can be stated: the surrogate alone explains {share:.0%} of the variance of {readable(q)}; use "
            "estimator: assisted or pick_freeze."
        )
    ranked = [str(total["input"].values[i]) for i in np.argsort(-total.values)]
    idle = [n for n in ranked if float(arrays["total_order_interval"].sel(quantity=q, input=n, bound="high")) < _IDLE]
    named = [f"{_words(n)} ({float(total.sel(input=n)):.2f})" for n in ranked if n not in idle]
    text = f"{_output(q)} depends on no input alone to speak of: each total index is below {_IDLE:g}"
    if named:
        text = f"{_output(q)} depends most on {_list(named[:3])}, by total index"
    if named and idle:
        text += f"; {_list([_words(n) for n in idle])} {'hardly matters' if len(idle) == 1 else 'hardly matter'} here"
    return f"{text}{_joint(arrays, q)}."


def _joint(arrays: xr.Dataset, quantity: str) -> str:
    """What inputs do only together, where it is more than the noise of the first indices can feign."""
    share = float(arrays["joint_share"].sel(quantity=quantity))
    low, high = (float(v) for v in arrays["joint_share_interval"].sel(quantity=quantity).values)
    if not (low > 0 and share > _TOLD):
        return ""
    level = float(arrays.attrs["confidence_level"])
    bounds = f"{level:.0%} interval {low:.0%} to {high:.0%}"
    return f". {share:.0%} of the variance ({bounds}) comes from inputs acting together"


def find_table_messages(arrays: xr.Dataset, indices: Indices) -> tuple[Message, ...]:
    """Says what a reader must know before relying on the result, most serious first."""
    found = [*_constant(arrays), *failure_messages(arrays), *_status(indices), *_width(arrays)]
    found += [*_independence(arrays), *_missing(arrays), *_zeros(arrays)]
    found += [*_accuracy(arrays), *_steps(arrays), *_reduction(arrays)]
    order = {"alarm": 0, "caution": 1, "info": 2}
    return tuple(sorted(found, key=lambda m: order[m.level]))


def _judge(name: str, limit: float, arrays: xr.Dataset) -> Gate:
    kind, _, key = name.partition(".")
    if kind == "min_accuracy":
        value, label = float(arrays.attrs["accuracy"]), "the accuracy on the table"
    else:
        word = kind.removeprefix("max_")
        q = str(arrays.attrs["quantity_of_interest"])
        value = float(arrays[word].sel(quantity=q, input=key))
        label = f"the {word.split('_')[0]} index of {_words(key)}"
    floor = kind == "min_accuracy"
    if not floor and not is_factual(arrays, str(arrays.attrs["quantity_of_interest"])):
        text = f"{label} cannot be established: the surrogate alone explains too little of the variance"
        return Gate(name=name, limit=limit, value=value, passed=False, text=text)
    passed = bool(np.isfinite(value) and (value >= limit if floor else value <= limit))
    verb = ("reaches" if passed else "misses") if floor else ("keeps" if passed else "exceeds")
    shown = f"is {value:.3g}" if np.isfinite(value) else "is not defined"
    text = f"{label} {shown} and {verb} the limit of at {'least' if floor else 'most'} {limit:g}"
    return Gate(name=name, limit=limit, value=value, passed=passed, text=text)


def _constant(arrays: xr.Dataset) -> list[Message]:
    still = [
        str(q) for q in arrays["quantity"].values if not np.isfinite(arrays["total_order"].sel(quantity=q).values).any()
    ]
    main = str(arrays.attrs["quantity_of_interest"])
    return [
        Message(
            level="alarm" if q == main else "info",
            code="constant_output",
            text=f"{_output(q)} is the same everywhere in the space, so its indices are undefined; widen the space",
        )
        for q in still
    ]


def _status(indices: Indices) -> list[Message]:
    levels: Any = {"info": "info", "warning": "caution", "error": "alarm"}
    skipped = ("constant_output", "wide_interval", "wide_intervals", "dropped_blocks", "dropped_rows")
    return [
        Message(level=levels[s.level], code=s.code, text=s.message[0].upper() + s.message[1:])
        for s in indices.status
        if s.code not in skipped
    ]


def _width(arrays: xr.Dataset) -> list[Message]:
    q = str(arrays.attrs["quantity_of_interest"])
    bounds = arrays["total_order_interval"].sel(quantity=q)
    half = ((bounds.sel(bound="high") - bounds.sel(bound="low")) / 2).values
    if arrays.attrs.get("ending") == "budget" and "tolerance" in arrays.attrs:
        text = f"{arrays.attrs['reason']} Raise the budget, or be content with a wider tolerance"
        return [Message(level="caution", code="tolerance_missed", text=text)]
    if not np.isfinite(half).any() or np.nanmax(half) <= 1.1 * _WIDE:
        return []
    worst = int(np.nanargmax(half))
    name, factor = str(bounds["input"].values[worst]), int(np.ceil((half[worst] / _WIDE) ** 2))
    text = (
        f"The interval of the total index of {_words(name)} is ±{half[worst]:.2f}; about {factor} times n_base would "
        f"bring it to ±{_WIDE:g}"
    )
    return [Message(level="caution", code="wide_interval", text=text)]


def _independence(arrays: xr.Dataset) -> list[Message]:
    value = float(arrays.attrs["correlation"])
    if not np.isfinite(value) or abs(value) < _CORRELATED:
        return []
    text = (
        f"The inputs were drawn independently, but in the table {arrays.attrs['correlation_of']} go together (rank "
        f"correlation {value:.2f}): part of the space holds rows that do not occur. The indices describe the model "
        "over this space, not the population behind the table"
    )
    return [Message(level="caution", code="dependent_columns", text=text)]


def _missing(arrays: xr.Dataset) -> list[Message]:
    left_out, kept = (int(arrays.attrs.get(name, 0)) for name in ("n_missing", "n_rows"))
    if not left_out:
        return []
    text = (
        f"{left_out:,} of {left_out + kept:,} rows have an empty cell and were left out of ranges, accuracy and "
        "slopes; where cells are empty for a reason, the rest is no fair picture of the table"
    )
    return [Message(level="caution", code="missing_cells", text=text)]


def _zeros(arrays: xr.Dataset) -> list[Message]:
    if arrays.attrs["rule"] != "range":
        return []
    share, low, levels = arrays["feature_zeros"], arrays["feature_low"], arrays["feature_levels"]
    odd = [
        str(n)
        for n in arrays["feature"].values
        if float(low.sel(feature=n)) == 0 and float(share.sel(feature=n)) > 0 and _gap(arrays, str(n))
        if not int(levels.sel(feature=n))
    ]
    if not odd:
        return []
    text = (
        f"Zeros of {_list([_words(n) for n in odd])} lie far below all other values and may stand for “missing”; the "
        "rule nonzero leaves them out of the ranges, which may change the ranking"
    )
    return [Message(level="caution", code="zeros", text=text)]


def _gap(arrays: xr.Dataset, name: str) -> bool:
    """Whether the zeros of a column stand apart: its smallest other value is over a tenth of its largest."""
    low, high = (float(arrays[f"feature_{k}"].sel(feature=name)) for k in ("low_nonzero", "high"))
    return bool(np.isfinite(low) and low > 0.1 * high)


def _accuracy(arrays: xr.Dataset) -> list[Message]:
    value, majority = float(arrays.attrs["accuracy"]), float(arrays.attrs["majority"])
    if not np.isfinite(value) or not np.isfinite(majority):
        return []
    if value <= majority:
        text = (
            f"The model names the right class in {value:.1%} of the rows, no more than always naming the commonest "
            f"class ({majority:.1%}): check classes, columns and scaling before reading the indices"
        )
        return [Message(level="caution", code="low_accuracy", text=text)]
    text = (
        f"The model names the right class in {value:.1%} of the table's rows; the commonest class makes {majority:.1%}"
    )
    return [Message(level="info", code="accuracy", text=text)]


def _steps(arrays: xr.Dataset) -> list[Message]:
    if "derivative_mean_square" not in arrays:
        return []
    q = str(arrays.attrs["quantity_of_interest"])
    flat = float(np.abs(arrays["derivative_mean_square"].sel(quantity=q)).max()) == 0
    if not flat or not float(arrays["variance"].sel(quantity=q)) > 0:
        return []
    text = (
        "All derivatives are 0 although the output varies: the model moves in steps, and only the indices describe it"
    )
    return [Message(level="info", code="steps", text=text)]


def _reduction(arrays: xr.Dataset) -> list[Message]:
    if "reduction_accuracy" not in arrays:
        return []
    score, rule = arrays["reduction_accuracy"].mean("repeat"), float(arrays["reduction_majority"].mean())
    full, lead, trail = (float(score.sel(set=s)) for s in ("all", "leading", "trailing"))
    of_regressor = arrays.attrs.get("reduction_score") == "R2"
    shown = [f"{v:.2f}" if of_regressor else f"{v:.1%}" for v in (lead, full, trail, rule)]
    text = (
        f"Trained again on the leading inputs alone the model reaches {'R² = ' if of_regressor else ''}{shown[0]} on "
        f"test rows (all inputs {shown[1]}), on the trailing ones {shown[2]}; the "
        f"{'mean of the training rows' if of_regressor else 'majority rule'} reaches {shown[3]}"
    )
    if trail <= rule:
        text += ": what the trailing inputs hold is not worth a model"
    return [Message(level="info", code="reduction", text=text)]


def _output(name: str) -> str:
    if name.startswith("probability["):
        return f"The probability of “{name[12:-1]}”"
    return "The output" if name == "output" else f"“{_words(name)}”"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _list(names: Sequence[str]) -> str:
    if len(names) > _SHOWN + 1:
        names = [*names[:_SHOWN], f"{len(names) - _SHOWN} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
