"""Arrays of a glass study with made-up numbers, and a study made of them."""

import numpy as np
import xarray as xr

from shiftgauge.results.study import StudyResult
from shiftgauge.studies.glass_findings import find
from shiftgauge.studies.glass_measure import SUMMARIES
from shiftgauge.studies.glass_outcome import headline, messages

LABELS = ("no defect", "chipped edge", "scratch", "stain")
WAYS = (
    "the recipe",
    "without averaging",
    "thresholds 0.5",
    "thresholds of every score",
    "smaller input",
    "without class weights",
)
WATCHED = ("both on validation", "thresholds on test", "epoch on test", "both on test, as published")
RECIPE = (0.95, 0.84, 0.80, 0.98, 0.87, 0.80, 0.72)


def study_arrays(
    *, ablation=(), watch=(), wide=0.004, inconsistent=(0, 0), watched=True, labels=LABELS, luck=(), **attrs
):
    """Every way scores as the recipe does, but for {way: change} of all its figures; `luck` as (mean, low, high)."""
    figures = [*SUMMARIES, *labels]
    values = {**_table("ablation", WAYS, dict(ablation), wide)}
    coords = {"ablation": list(WAYS), "figure": figures, "bound": ["low", "high"], "label": list(labels)}
    if watched:
        values |= _table("watch", WATCHED, dict(watch), wide)
        values |= {"watch_epoch": ("watch", [3, 3, 4, 5])}
        values |= {"watch_curve": (("chosen_on", "watched_epoch"), np.array([[0.7, 0.9], [0.8, 0.95]]))}
        coords |= {"watch": list(WATCHED), "chosen_on": ["validation", "test"], "watched_epoch": [1, 2]}
    if luck:
        axes, shape = ("chosen", "judged"), (2, 2)
        values |= {
            "watch_optimism": (axes, np.full(shape, luck[0])),
            "watch_optimism_interval": ((*axes, "bound"), np.full((*shape, 2), luck[1:])),
            "watch_half_claimed": (axes, np.full(shape, 0.9 + luck[0])),
            "watch_half_fresh": (axes, np.full(shape, 0.9)),
        }
        coords |= {"chosen": [WATCHED[1], WATCHED[3]], "judged": ["micro F1", "macro F1"]}
    values |= {
        "prevalence": ("label", [0.8, 0.1, 0.06, 0.04]),
        "support": ("label", [800, 100, 60, 40]),
        "threshold": ("label", [0.5, 0.4, 0.35, 0.45]),
        "inconsistent": ("way_wrong", list(inconsistent)),
        "split_images": ("split_part", [3000, 500, 1000]),
        "split_units": ("split_part", [2900, 490, 990]),
        "split_count": (("split_part", "label"), np.tile([800, 100, 60, 40], (3, 1))),
        "epoch_macro_f1": ("epoch", [0.5, 0.8]),
        "epoch_loss": ("epoch", [0.4, 0.2]),
    }
    coords |= {"way_wrong": ["both", "neither"], "split_part": ["train", "validation", "test"], "epoch": [1, 2]}
    given = {
        **{"title": "Glass study, task 2", "quantity_of_interest": "macro F1", "confidence_level": 0.95, "seed": 0},
        **{"data_name": "glass", "original": 1, "quick": 0, "published_recipe": 1, "recipe_text": "B3 at 336 × 336"},
        **{"weights_text": "1, 2, 5, 5", "size": 336, "smaller_size": 224, "native_size": 1000},
        **{"n_test": 1000, "n_validation": 500, "n_train": 3000},
    }
    return xr.Dataset(values, coords, {**given, **attrs})


def glass_result(**changes):
    """A study of such arrays."""
    arrays = study_arrays(**changes)
    findings = find(arrays)
    return StudyResult(
        study="glass",
        config={"task": 2},
        provenance={"hashes": {"data": "ab"}, "versions": {"torch": "2"}, "seed": 0, "device": "cpu"},
        cost={"trainings": 3, "training_seconds": 12.0, "seconds": 20.0},
        headline=headline(arrays, findings),
        findings=findings,
        arrays=arrays,
        messages=messages(arrays, split_notes=("3 images left out",)),
    )


def _table(name, ways, changes, wide):
    gap = np.array([np.full(len(RECIPE), changes.get(way, 0.0)) for way in ways])
    around = np.array([-wide, wide])
    return {
        f"{name}_score": ((name, "figure"), gap + RECIPE),
        f"{name}_score_interval": ((name, "figure", "bound"), (gap + RECIPE)[..., None] + around),
        f"{name}_difference": ((name, "figure"), gap),
        f"{name}_difference_interval": ((name, "figure", "bound"), gap[..., None] + around * (gap != 0)[..., None]),
    }
