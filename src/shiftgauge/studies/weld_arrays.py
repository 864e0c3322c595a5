"""The arrays of the weld study: what training and audits found, merged into one data set."""

from __future__ import annotations

import numpy as np
import xarray as xr

from shiftgauge.errors import DataError
from shiftgauge.results.audit import AuditResult
from shiftgauge.results.train import TrainResult
from shiftgauge.studies.train_data import Divided


def training_arrays(trained: TrainResult, divided: Divided) -> xr.Dataset:
    """Scores of the network, the images behind them, and the published class weights of these data."""
    data = trained.arrays
    names = ("accuracy", "macro_f1")
    found = np.array([[trained.metric(m, part=p) for m in names] for p in ("validation", "test")])
    counts = data["split_count"].sel(split_part="train").values.astype(float)
    return xr.Dataset(
        {
            "score": (("score_part", "score_name"), found[..., 0]),
            "score_interval": (("score_part", "score_name", "bound"), found[..., 1:]),
            "split_images": ("split_part", data["split_images"].values),
            "split_count": (("split_part", "class"), data["split_count"].values),
            "class_weight": ("class", counts.sum() / (len(counts) * counts)),
            "history_macro_f1": ("epoch", data["history_macro_f1"].values),
            "history_rate": ("epoch", data["history_learning_rate"].values),
            "history_loss": ("epoch", data["history_train_loss"].values),
        },
        coords={
            "score_part": ["validation", "test"],
            "score_name": list(names),
            "split_part": data["split_part"].values,
            "class": list(divided.dataset.class_names),
            "epoch": data["epoch"].values,
        },
        attrs={
            "best_epoch": trained.best_epoch,
            "data_notes": "\n".join(divided.dataset.notes),
            "split_notes": "\n".join(divided.split.notes),
        },
    )


def population_arrays(every: AuditResult) -> xr.Dataset:
    """What the audit of all images found for the quantity of interest, under names of its own."""
    data, quantity = every.arrays, every.quantity_of_interest
    at = data.sel(quantity=quantity)
    correct = data.sel(quantity="correct")
    return xr.Dataset(
        {
            "all_first_order": ("all_input", at["first_order"].values),
            "all_first_order_interval": (("all_input", "bound"), at["first_order_interval"].values),
            "all_total_order": ("all_input", at["total_order"].values),
            "all_total_order_interval": (("all_input", "bound"), at["total_order_interval"].values),
            "all_clean_accuracy": float(correct["image_clean"].mean()),
            "all_shifted_accuracy": float(correct["mean"]),
            "all_shifted_accuracy_interval": ("bound", correct["mean_interval"].values),
        },
        coords={"all_input": data["input"].values},
        attrs={"n_test": int(data.attrs["n_images"])},
    )


def merged(one: AuditResult, parts: list[xr.Dataset]) -> xr.Dataset:
    """The arrays of the audit of one image, which the page draws, with everything else beside them."""
    pictures = [name for name in one.arrays.data_vars if str(name).startswith(("thumb", "strip"))]
    kept = one.arrays.drop_vars(pictures)
    bare = [part.drop_vars("shift") if "shift" in part.coords else part for part in parts]
    arrays = xr.merge([kept, *bare], join="outer", combine_attrs="drop")
    arrays.attrs = {**one.arrays.attrs}
    for part in parts:
        arrays.attrs |= part.attrs
    if list(arrays["shift"].values) != ["brightness", "rotation", "tilt"]:
        raise DataError("the weld preset no longer has the shifts brightness, rotation, tilt in this order")
    return arrays
