"""What a run folder must hold before anything is shown from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.results.status import LEVELS, Gate, Message

_ATTRIBUTES: Final = ("quantity_of_interest", "confidence_level", "estimator")
_COORDINATES: Final = ("quantity", "input", "shift", "bound")
_NAMED: Final = ("input_2", "n_base", "block", "component", "image", "chosen")
_INDEX: Final = ("quantity", "input")
_BLOCK: Final = ("block", "input")
_PAIR: Final = ("quantity", "input", "input_2")
_STRIP: Final = ("strip", "shift", "level")
_PICTURE: Final = ("*", "*", "rgb")
REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "first_order": _INDEX,
    "first_order_interval": (*_INDEX, "bound"),
    "total_order": _INDEX,
    "total_order_interval": (*_INDEX, "bound"),
    "mean": ("quantity",),
    "shift_low": ("shift",),
    "shift_high": ("shift",),
}
"""Variables that every result has, and their axes."""
TOGETHER: Final[tuple[Mapping[str, tuple[str, ...]], ...]] = (
    {"second_order": _PAIR, "second_order_interval": (*_PAIR, "bound")},
    {"total_interaction": _PAIR, "total_interaction_interval": (*_PAIR, "bound")},
    {"surrogate_first_order": _INDEX, "surrogate_total_order": _INDEX},
    dict.fromkeys(("surrogate_residual", "surrogate_assisted_share"), ("quantity",)),
    {"joint_share": ("quantity",), "joint_share_interval": ("quantity", "bound")},
    {
        "curve_first_order": ("n_base", *_INDEX),
        "curve_first_order_interval": ("n_base", *_INDEX, "bound"),
        "curve_total_order": ("n_base", *_INDEX),
        "curve_total_order_interval": ("n_base", *_INDEX, "bound"),
    },
    {
        "block_first_order": _BLOCK,
        "block_first_order_interval": (*_BLOCK, "bound"),
        "block_total_order": _BLOCK,
        "block_total_order_interval": (*_BLOCK, "bound"),
        "block_directions": ("block",),
        "block_entries": ("block",),
        "block_shape": ("block",),
    },
    {"gauge_contribution": ("quantity", "component"), "gauge_study_variation": ("quantity", "component")},
    {"main_effect": ("quantity", "shift", "grid"), "main_effect_x": ("shift", "grid")},
    {"bin_mean": ("quantity", "shift", "bin"), "bin_x": ("shift", "bin")},
    {"sample_theta": ("sample", "shift"), "sample_value": ("quantity", "sample")},
    {
        "surface_z": ("quantity", "pair", "slice", "gy", "gx"),
        "surface_x": ("pair", "gx"),
        "surface_y": ("pair", "gy"),
        "surface_fixed": ("pair", "slice"),
        "pair_first": ("pair",),
        "pair_second": ("pair",),
        "pair_third": ("pair",),
    },
    {
        "strip_image": (*_STRIP, *_PICTURE),
        "strip_theta": ("shift", "level"),
        "strip_probability": _STRIP,
        "strip_name": ("strip",),
        "strip_label": ("strip",),
    },
    dict.fromkeys(("image_mean", "image_std", "image_clean"), ("quantity", "image")),
    {
        "thumb_image": ("thumb", *_PICTURE),
        "thumb_worst": ("thumb", *_PICTURE),
        "thumb_of": ("thumb",),
        "thumb_role": ("thumb",),
    },
    {"image_first_order": ("quantity", "chosen", "shift"), "image_total_order": ("quantity", "chosen", "shift")},
)
"""Groups of variables that are all there or all absent; an axis `*` may have any name."""


def check_arrays(arrays: xr.Dataset) -> None:
    """Checks that the arrays of an audit can be shown.

    Args:
        arrays: What `results.nc` holds.

    Raises:
        StoreError: An attribute, an axis or a variable is missing, or a variable has other axes.

    Example:
        >>> check_arrays(xr.Dataset())
        Traceback (most recent call last):
        ...
        shiftgauge.errors.StoreError: results.nc holds no audit: the attribute `quantity_of_interest` is missing
    """
    for name in _ATTRIBUTES:
        if name not in arrays.attrs:
            raise StoreError(f"results.nc holds no audit: the attribute `{name}` is missing")
    for name in (*_COORDINATES, *(n for n in _NAMED if n in arrays.dims)):
        if name not in arrays.coords or arrays[name].dims != (name,):
            raise StoreError(f"results.nc holds no audit: the axis `{name}` is missing or unnamed")
    if arrays.attrs["quantity_of_interest"] not in arrays["quantity"].values:
        raise StoreError(f"results.nc holds nothing about the quantity `{arrays.attrs['quantity_of_interest']}`")
    check_variables(arrays, REQUIRED, TOGETHER)


def check_variables(
    arrays: xr.Dataset, required: Mapping[str, tuple[str, ...]], together: Sequence[Mapping[str, tuple[str, ...]]]
) -> None:
    """Checks variables and their axes.

    Args:
        arrays: What `results.nc` holds.
        required: Variables that must be there.
        together: Groups of variables that are all there or all absent.

    Raises:
        StoreError: A variable is missing or has other axes.
    """
    for group in (required, *(g for g in together if any(name in arrays for name in g))):
        for name, axes in group.items():
            _check_variable(arrays, name, axes)


def check_record(record: Mapping[str, Any]) -> tuple[tuple[Message, ...], tuple[Gate, ...]]:
    """Checks the parts of `run.json` and returns its messages and gates.

    Args:
        record: The file's content.

    Raises:
        StoreError: A part is missing or of another kind.
    """
    kinds = {"config": dict, "provenance": dict, "cost": dict, "headline": str, "messages": list, "gates": list}
    for name, kind in kinds.items():
        if not isinstance(record.get(name), kind):
            raise StoreError(f"run.json holds no audit: `{name}` is missing or no {kind.__name__}")
    messages = tuple(Message(**m) for m in record["messages"])
    if any(m.level not in LEVELS for m in messages):
        raise StoreError(f"run.json: the level of a message must be one of {', '.join(LEVELS)}")
    return messages, tuple(Gate(**g) for g in record["gates"])


def _check_variable(arrays: xr.Dataset, name: str, axes: tuple[str, ...]) -> None:
    if name not in arrays:
        raise StoreError(f"results.nc is incomplete: `{name}` is missing")
    found = tuple(str(d) for d in arrays[name].dims)
    if len(found) != len(axes) or any(wanted not in ("*", axis) for wanted, axis in zip(axes, found, strict=True)):
        raise StoreError(
            f"results.nc: `{name}` must have the axes {', '.join(axes)}, found {', '.join(found) or 'none'}"
        )
