"""What is certain of the Parseval networks: norms of layers, a bound of the whole, and accuracy that must stay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.attack.snr import set_rms
from shiftgauge.models.lipschitz import LipschitzBound, lipschitz_bound
from shiftgauge.models.lipschitz_radius import certified_radius
from shiftgauge.models.model_folder import load_model_folder
from shiftgauge.models.parseval_report import layer_spectra
from shiftgauge.studies.cross_validated import CrossValidation
from shiftgauge.studies.eye_attacks import MEASURED, images_of
from shiftgauge.studies.eye_models import SCALED, UNSCALED, WIDE
from shiftgauge.studies.eye_trainings import Plan
from shiftgauge.studies.kept import kept
from shiftgauge.types import FloatArray

RATIOS: Final = (80.0, 70.0, 60.0, 55.0, 50.0, 45.0, 40.0, 33.0, 28.0)
"""Ratios of the certified accuracy, dB."""
BOUNDED: Final = (WIDE, UNSCALED, SCALED)
"""Networks whose layers are told."""
_TOLERANCE: Final = 0.05
_MATRIX: Final = 2


def certified_arrays(plan: Plan, trained: Mapping[str, CrossValidation]) -> xr.Dataset:
    """Layers of three networks of the first fold, bounds of all their folds, and certified accuracy.

    A ball of L∞ with ε lies within the ball of L2 with ε √D, D values in a crop. Certified at a ratio is therefore what
    stays in the latter, where ε has that ratio over the crops of the fold: a lower bound of what any attack within the
    former can leave. Accuracy under an attack is an upper one.

    Args:
        plan: What was trained.
        trained: The networks in folds.

    Returns:
        lipschitz (bounded, fold); certified (bounded, ratio), over all crops; and over (bounded, layer):
        layer_smallest and layer_largest (singular values of the flattened kernel), layer_factor, layer_norm,
        layer_norm_bound and layer_constrained. NaN where a network lacks a layer.
    """
    by_name, layers = {}, {}
    for name in BOUNDED:
        found = [_fold(plan, trained[name], fold) for fold in range(plan.recipe.k)]
        by_name[name] = found
        layers[name] = _layers(plan, name, trained[name])
    counts = np.array([len(o.rows) for o in trained[WIDE].outcomes], float)
    shares = [np.average([f["certified"].values for f in by_name[n]], axis=0, weights=counts) for n in BOUNDED]
    arrays = xr.Dataset(
        {
            "lipschitz": (
                ("bounded", "fold"),
                np.array([[float(f["lipschitz"]) for f in by_name[n]] for n in BOUNDED]),
            ),
            "certified": (("bounded", "ratio"), np.stack(shares)),
        },
        coords={"bounded": list(BOUNDED), "ratio": list(RATIOS), "fold": np.arange(1, plan.recipe.k + 1)},
    )
    told = xr.concat([layers[n] for n in BOUNDED], dim="bounded", join="outer", combine_attrs="drop")
    return xr.merge([arrays, told.assign_coords(bounded=list(BOUNDED))])


def _fold(plan: Plan, cv: CrossValidation, fold: int) -> xr.Dataset:
    outcome = cv.outcomes[fold]
    model = load_model_folder(outcome.model_folder, plan.device)
    asked: list[Any] = [model.fingerprint, plan.dataset.fingerprint, plan.recipe.size, list(RATIOS), _TOLERANCE]

    def measure() -> xr.Dataset:
        images = images_of(plan, outcome.rows)
        bound = lipschitz_bound(model.module, model.input_shape, tolerance=_TOLERANCE)
        reach = set_rms((images - plan.scale.mean) / plan.scale.std) * math.sqrt(math.prod(model.input_shape))
        return xr.Dataset(
            {
                "lipschitz": bound.value,
                "certified": ("ratio", certified_shares(bound, outcome.logits_nk, cv.targets[outcome.rows], reach)),
            }
        )

    return kept(plan.folder / MEASURED, "bound", asked, measure)


def certified_shares(bound: LipschitzBound, logits_nk: Any, labels_n: Any, norm: float) -> FloatArray:
    """Share of images that are right and stay so under every change at each of `RATIOS`.

    Args:
        bound: Of the network, in the scale of the norms.
        logits_nk: Its outputs.
        labels_n: True classes.
        norm: L2 norm of a change at 0 dB, √D times the root mean square of the images.
    """
    radius = certified_radius(bound, logits_nk, labels_n)
    return np.array([float((radius > norm * 10 ** (-db / 20)).mean()) for db in RATIOS])


def _layers(plan: Plan, name: str, cv: CrossValidation) -> xr.Dataset:
    bound = plan.models[name].constraint is not None
    model = load_model_folder(cv.outcomes[0].model_folder, plan.device)

    def measure() -> xr.Dataset:
        spectra = layer_spectra(model.module, model.input_shape)
        columns = {
            "smallest": [s.singular_values[-1] for s in spectra],
            "largest": [s.singular_values[0] for s in spectra],
            "factor": [s.factor for s in spectra],
            "norm": [s.norm for s in spectra],
            "norm_bound": [s.norm_bound for s in spectra],
            "constrained": [float(bound and len(s.shape) > _MATRIX) for s in spectra],  # convolutions
        }
        names = [s.name for s in spectra]
        return xr.Dataset({f"layer_{k}": ("layer", v) for k, v in columns.items()}, coords={"layer": names})

    return kept(plan.folder / MEASURED, "layers", [model.fingerprint, list(model.input_shape), bound], measure)
