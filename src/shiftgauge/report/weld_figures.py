"""The figures of the weld study as files, the publication's surface first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shiftgauge.errors import StoreError
from shiftgauge.report.figure_file import save_figures
from shiftgauge.report.figure_style import FIRST, SOFT, TOTAL, figure_style, long_text, tidy, whiskers
from shiftgauge.report.figure_surface import plot_surface
from shiftgauge.report.format import input_label
from shiftgauge.report.read import Estimate, estimate, pick, strings
from shiftgauge.results.audit import AuditResult
from shiftgauge.results.study import StudyResult

SURFACE_TILT: Final = 10.0
"""Tilt at which the publication cuts its surface, in degrees."""
_COLOURS: Final = (FIRST, TOTAL, SOFT)


def one_image_audit(result: StudyResult) -> AuditResult:
    """The audit of one image that the study's arrays hold, as a result of its own."""
    return AuditResult(
        config=result.config,
        provenance=result.provenance,
        cost=result.cost,
        headline=result.headline,
        arrays=result.arrays,
    )


def rotation_brightness(result: StudyResult) -> int:
    """Position of the pair that the publication draws."""
    data = result.arrays
    pairs = zip(strings(data, "pair_first"), strings(data, "pair_second"), strict=True)
    return next(k for k, pair in enumerate(pairs) if set(pair) == {"brightness", "rotation"})


def published_view(result: StudyResult) -> AuditResult:
    """The audit of one image with its surfaces so ordered that the published one comes first, at its tilt."""
    found, first = one_image_audit(result), rotation_brightness(result)
    others = [k for k in range(found.arrays.sizes["pair"]) if k != first]
    arrays = found.arrays.isel(pair=[first, *others])
    starts = xr.where(arrays["shift"] == "tilt", SURFACE_TILT, arrays["shift_nominal"])
    return replace(found, arrays=arrays.assign(shift_nominal=starts))


def plot_study_surface(result: StudyResult) -> Figure:
    """Returns the published surface: probability over rotation and brightness at a tilt of 10 degrees."""
    return plot_surface(one_image_audit(result), pair=rotation_brightness(result), at=SURFACE_TILT)


def plot_one_and_all(result: StudyResult) -> Figure:
    """Returns total indices for the one image and for all test images, with intervals."""
    data, quantity = result.arrays, result.quantity_of_interest
    names = strings(data, "all_input")[::-1]
    place = np.arange(len(names))
    one = [
        estimate(data, "total_order", quantity=quantity, input=n) if n in strings(data, "input") else Estimate(np.nan)
        for n in names
    ]
    every = [estimate(data, "all_total_order", all_input=n) for n in names]
    with figure_style():
        figure = Figure(figsize=(7, 2.6), layout="constrained")
        axes = figure.add_subplot()
        for found, offset, colour, label in ((one, 0.2, FIRST, "one image"), (every, -0.2, TOTAL, "all test images")):
            axes.barh(place + offset, [e.value for e in found], height=0.36, color=colour, label=label)
            whiskers(axes, found, place + offset)
        axes.set_yticks(place, [input_label(n) for n in names])
        axes.set_xlabel("total index of the probability of the true class")
        _legend_above(axes)
        tidy(axes, "One image and all")
    return figure


def plot_surrogates(result: StudyResult) -> Figure:
    """Returns Q² of every set of terms, the published one among them."""
    data = result.arrays
    names = strings(data, "order")[::-1]
    counts = [int(pick(data, "order_terms", order=n)) for n in names]
    with figure_style():
        figure = Figure(figsize=(7, 2.4), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(range(len(names)), [float(pick(data, "order_q2", order=n)) for n in names], height=0.55, color=FIRST)
        axes.axvline(0.9, color=SOFT, ls="--", lw=1.2)
        axes.set_yticks(range(len(names)), [f"{n}, {c} terms" for n, c in zip(names, counts, strict=True)])
        axes.set_xlim(min(0.0, *axes.get_xlim()), 1)
        axes.set_xlabel("Q² by leave-one-out (dashed: 0.9, from which a surrogate counts as the classifier's)")
        tidy(axes, "What a polynomial holds of the probability")
    return figure


def plot_variants(result: StudyResult) -> Figure:
    """Returns total indices of the three shifts under each way of shifting the same image, with intervals."""
    data = result.arrays
    names, shifts = strings(data, "variant")[::-1], strings(data, "shift")
    place = np.arange(len(names))
    with figure_style():
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        axes = figure.add_subplot()
        for k, (shift, colour) in enumerate(zip(shifts, _COLOURS, strict=True)):
            found = [estimate(data, "variant_total_order", variant=n, shift=shift) for n in names]
            at = place + 0.26 * (1 - k)
            axes.barh(at, [e.value for e in found], height=0.24, color=colour, label=input_label(shift))
            whiskers(axes, found, at)
        axes.set_yticks(place, [long_text(n, 40) for n in names])
        axes.set_xlabel("total index, from a surrogate of total degree 8 at the same points")
        _legend_above(axes)
        tidy(axes, "Ways of shifting")
    return figure


def plot_watching(result: StudyResult) -> Figure:
    """Returns macro F1 after each epoch, and the gain of choosing on the images that are then judged."""
    data = result.arrays
    gap = 100 * (pick(data, "watch_chosen") - pick(data, "watch_fresh"))
    with figure_style():
        figure = Figure(figsize=(8, 2.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot(pick(data, "watch_epoch"), pick(data, "watch_f1"), color=FIRST, marker="o", ms=3)
        left.set_xlabel("epoch")
        left.set_title("Macro F1 of images not trained on", loc="left")
        right.hist(gap, bins=30, color=FIRST)
        right.axvline(float(gap.mean()), color=SOFT, ls="--", lw=1.2)
        right.set_xlabel("points of macro F1 too high where watched")
        right.set_title("A thousand divisions", loc="left")
    return figure


_DRAWINGS: Final[dict[str, Callable[[StudyResult], Figure]]] = {
    "surface": plot_study_surface,
    "one_and_all": plot_one_and_all,
    "surrogates": plot_surrogates,
    "variants": plot_variants,
    "watching": plot_watching,
}


def write_study_figures(result: StudyResult, folder: str | Path) -> list[Path]:
    """Writes each figure as svg and png into a folder, removes those of an earlier run, and returns the paths.

    Raises:
        StoreError: The folder cannot be written to.
    """
    drawings = dict(_DRAWINGS)
    if "watch_chosen" not in result.arrays:
        del drawings["watching"]
    try:
        for path in (Path(folder) / f"{n}.{kind}" for n in _DRAWINGS if n not in drawings for kind in ("svg", "png")):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot remove a figure in {folder}: {error.strerror or error}") from error
    return save_figures(result, drawings, folder)


def _legend_above(axes: Axes) -> None:
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.2)
