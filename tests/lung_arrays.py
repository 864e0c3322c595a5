"""Frames of made-up recordings, and a lung study with made-up numbers."""

import numpy as np
import xarray as xr

from shiftgauge.data.arrays import from_arrays
from shiftgauge.results.study import StudyResult
from shiftgauge.studies.lung_baselines import FROZEN, INTENSITY, MAJORITY
from shiftgauge.studies.lung_findings import find, headline, messages
from shiftgauge.studies.lung_folds import ALONE, CUT, HIDDEN, PAINTED, POOLED, WHOLE
from shiftgauge.studies.lung_seen import GRAINS, MEASURES, METHODS, REPEATS

NAMES = ("covid", "pneumonia", "regular")
WAYS = (WHOLE, PAINTED, CUT, POOLED, HIDDEN, ALONE, FROZEN, INTENSITY, MAJORITY)
LOOK_WAYS = (WHOLE, PAINTED, CUT)


def frames(recordings=18, each=3, size=24, seed=0):
    """Noise with a level for each class and a stripe for each recording; recording r is of class r % 3."""
    rng = np.random.default_rng(seed)
    recording = np.repeat(np.arange(recordings), each)
    labels = recording % 3
    images = rng.integers(0, 60, (len(labels), size, size))
    images += 40 * labels[:, None, None]
    return images.astype(np.uint8), labels, recording


def lung_dataset(**given):
    images, labels, recording = frames(**given)
    return from_arrays(images, labels, list(NAMES), groups=[f"r{r}" for r in recording])


def study_arrays(
    *, score=(), border=(0.4,) * 4, breadth=(0.4, 0.6, 0.9, 0.9), change=(0.0, 0.0), alike=(0.9, 0.8, 0.1, 0.7),
    known=0.97, wide=0.02, names=NAMES, **attrs
):  # fmt: skip
    """Every way has the balanced accuracy 0.6 but for {way: other}; methods have a breadth and a share of border each.

    Trained without the border, the shares on the border change by `change` against the two kinds of random steps.
    """
    given, figures = dict(score), ["balanced accuracy", "accuracy", *(f"recall of {n}" for n in names)]
    value = np.array([[given.get(way, 0.6)] * len(figures) for way in WAYS])
    table, around = {}, np.array([-wide, wide])
    for prefix in ("way", "recording"):
        for kind, centre in (("score", value), ("difference", value - value[0])):
            table[f"{prefix}_{kind}"] = ((prefix, "figure"), centre)
            table[f"{prefix}_{kind}_interval"] = ((prefix, "figure", "bound"), centre[..., None] + around)
    look = np.array([[[b, 0.3, on, 0.5] for b, on in zip(breadth, border, strict=True)]] * 3)
    off = look[:, :1] - look[:, 1:]
    changed = np.array([[0.0, 0, 0], [0, *change], [0, *change]])
    repeats = np.repeat(np.tile(alike, (3, 1))[..., None], 2, axis=2)
    over = {
        "look_value": (("look_way", "method", "measure"), look),
        "look_gap": (("look_way", "other", "measure"), off),
        "look_change": (("look_way", "other"), changed),
        "look_repeat": (("look_way", "repeat", "grain"), repeats),
        "look_repeat_gap": (("look_way", "reference", "grain"), repeats[:, :1] - repeats[:, 1:]),
    }
    for name, (axes, centre) in over.items():
        table[name], table[f"{name}_interval"] = (axes, centre), ((*axes, "bound"), centre[..., None] + around)
    shape = (len(names), 8, 8)
    pictures = {f"shown_{n}": (("shown_class", "picture_y", "picture_x"), np.full(shape, 90, np.uint8)) for n in KINDS}
    return xr.Dataset(
        {
            **table,
            **pictures,
            "look_frames": (("look_way", "method"), [[9] * 4, [9] * 4, [9, 8, 9, 9]]),
            "look_empty": (("look_way", "method"), [[0] * 4, [0] * 4, [0, 1, 0, 0]]),
            "look_class": (("look_way", "method", "measure", "class"), np.full((3, 4, 4, len(names)), 0.123)),
            "dream": (("dream_start", "dream_class", "picture_y", "picture_x"), np.zeros((2, *shape), np.uint8)),
            "fold_frames": (("fold", "class"), np.full((2, len(names)), 7)),
            "fold_recordings": ("fold", [4, 5]),
            "fold_balanced": ("fold", [0.5, 0.7]),
            "training_accuracy": (("training_way", "fold"), np.full((3, 2), known)),
            "confusion": (("class", "said_class"), np.eye(len(names), dtype=int)),
        },
        coords={
            "way": list(WAYS),
            "recording": list(WAYS),
            "figure": figures,
            "bound": ["low", "high"],
            "look_way": list(LOOK_WAYS),
            "method": list(METHODS),
            "other": list(METHODS[1:]),
            "repeat": list(REPEATS),
            "reference": list(REPEATS[1:]),
            "grain": list(GRAINS),
            "measure": list(MEASURES),
            "shown_class": list(names),
            "dream_start": ["noise", "class mean"],
            "dream_class": list(names),
            "fold": [1, 2],
            "class": list(names),
            "said_class": list(names),
            "training_way": [WHOLE, PAINTED, CUT],
        },
        attrs=ATTRIBUTES | attrs,
    )


KINDS = ("frame", "ascent", "change", "cam")
ATTRIBUTES = {
    "title": "Lung-ultrasound study",
    "quantity_of_interest": "balanced accuracy",
    "confidence_level": 0.95,
    "data_name": "lus",
    "quick": 0,
    "published_recipe": 1,
    "frozen_way": FROZEN,
    "pooled_way": POOLED,
    "recipe_text": "vgg16_bn from ImageNet weights at 224 × 224, 5 epochs",
    "border_area": 0.36,
    "n_frames": 42,
    "n_recordings": 9,
    "n_units": 9,
    "largest_unit": 6,
    "n_folds": 2,
    "steps": 500,
    "seed": 0,
    "cam_layer": "features.40",
    "cam_rows": 14,
    "cam_columns": 14,
}


def lung_result(**given):
    arrays = study_arrays(**given)
    return StudyResult(
        study="lung",
        config={},
        provenance={"hashes": {}, "versions": {}, "device": "cpu", "seed": 0, "started": "", "finished": ""},
        cost={"trainings": 6, "training_seconds": 10.0, "looking_seconds": 1.0, "seconds": 12.0},
        headline=headline(arrays),
        findings=find(arrays),
        arrays=arrays,
        messages=messages(arrays, ()),
    )
