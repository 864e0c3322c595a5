"""Crops of made-up faces, and an eye-state study with made-up answers of its networks."""

from types import SimpleNamespace

import numpy as np
import xarray as xr

from shiftgauge.results.study import StudyResult
from shiftgauge.studies.eye_attacks import ATTACKS, NOISE, PGD_NAME, SHIFTS
from shiftgauge.studies.eye_beside import published_arrays
from shiftgauge.studies.eye_certified import BOUNDED, RATIOS
from shiftgauge.studies.eye_compare import loss_arrays, order_arrays, pair_arrays
from shiftgauge.studies.eye_copies import copy_arrays
from shiftgauge.studies.eye_facts import FALSE_RATES, PANELS
from shiftgauge.studies.eye_findings import find, headline, messages
from shiftgauge.studies.eye_models import HARDENED, PAIRS, SOURCE, WIDE
from shiftgauge.studies.eye_pooled import Pooled, accuracy_arrays, score_arrays, shift_arrays
from shiftgauge.studies.eye_recipe import LOUD, MARKED, EyeRecipe
from shiftgauge.studies.eye_trainings import cells

RECIPE = EyeRecipe(name="small")
GRID = (0.0, *MARKED)
N, FOLDS = 60, 5
LOST_AT = 0.4
"""What a network loses at the judged ε where nothing else is said."""
NAMES = ("closed", "open")


def crops(faces=30, size=24, seed=0):
    """Two eyes of each face; faces of even number are closed, and darker."""
    rng = np.random.default_rng(seed)
    face = np.repeat(np.arange(faces), 2)
    labels = face % 2
    images = rng.integers(0, 120, (len(face), size, size)) + 80 * labels[:, None, None]
    names = [f"eye_{f:04d}.jpg_face_1_{side}.jpg" for f, side in zip(face, "LR" * faces, strict=True)]
    return images.astype(np.uint8), labels, names


def right_of(share, n=N, shift=0):
    """So many of n answers are right, the first ones from `shift` on."""
    return np.roll(np.arange(n) < round(share * n), shift)


def pooled(accuracy=(), transfer=(), n=N):
    """Every network is right about 0.9 of clean crops and of those under noise, and loses 0.1 from ε to ε under attack.

    Args:
        accuracy: Network → its accuracy at each of `GRID` under attacks on itself.
        transfer: The same for images made on its source; default those of attacks on itself.
        n: Crops of each fold.
    """
    given, other = dict(accuracy), dict(transfer)
    usual = [0.9 - 0.1 * b for b in range(len(GRID))]
    folds = {}
    for name in SOURCE:
        folds[name] = []
        for fold in range(FOLDS):
            white = np.stack([right_of(v, n) for v in given.get(name, usual)])
            tried = np.stack([right_of(v, n) for v in other.get(name, given.get(name, usual))])
            calm = np.stack([right_of(0.9, n)] * len(GRID))
            rows = np.arange(n) + fold * n
            found = {"rows": rows, "pgd_rows": rows}
            for way in ("fgsm", "pgd"):
                found |= {
                    f"white_{way}": white,
                    f"transfer_{way}": tried,
                    f"snr_{way}": np.array([np.inf, 50, 46, 40, 33.2, 28]),
                }
            found |= {"white_noise": calm, "transfer_noise": calm, "snr_noise": np.array([np.inf, 55, 51, 45, 38, 33])}
            for key, (levels, _) in SHIFTS.items():
                found[f"shift_{key}"] = np.stack([right_of(0.8, n)] * len(levels))
                found[f"shift_snr_{key}"] = np.linspace(30, 10, len(levels))
            folds[name].append(found)
    epsilon = dict.fromkeys(ATTACKS, GRID)
    units = np.arange(n * FOLDS) // 2
    return Pooled(models=tuple(SOURCE), folds=folds, epsilon=epsilon, units_n=units, level=0.95, seed=0)


def copies(gain=()):
    """Way to enlarge by kind → how far its folds lie above 0.9; all of them by the same, but for small noise."""
    rng, given = np.random.default_rng(0), dict(gain)
    wobble = 0.01 * rng.standard_normal(FOLDS)

    def folded(kind):
        values = 0.9 + given.get(kind, 0.0) + wobble + 0.001 * rng.standard_normal(FOLDS)
        return SimpleNamespace(values=lambda metric: values, test_ratio=0.25)

    asked = cells(RECIPE)
    tried = {"white_fgsm": np.ones((2, 10), bool), "white_noise": np.ones((2, 10), bool)}
    plain = SimpleNamespace(values=lambda metric: 0.9 + wobble, test_ratio=0.25)
    trained = {cell: folded(cell.kind) for cell in asked}
    return plain, copy_arrays(RECIPE, plain, trained, {cell: [tried] * FOLDS for cell in asked}, level=0.95)


def facts(names=NAMES, norm=3.0):
    """What needs trained networks, made up: bounds, layers, ROC, learning, folds, pictures."""
    layers, axes, rates = ["stem.0", "head"], ("bounded", "layer"), np.linspace(0, 1, 61)[None, :, None]
    shape, shown = (len(BOUNDED), len(layers)), 2
    grey = np.full((shown, 6, 6), 0.4)
    attacked = np.full((2, len(PANELS), shown, 6, 6), 0.5)
    per = (2, len(PANELS), shown)
    norms = np.array([[2.0, 1.0], [norm, 1.0], [1.0, 1.0]])
    variables = {
        "lipschitz": (("bounded", "fold"), np.array([[1e5] * FOLDS, [1e4] * FOLDS, [40.0] * FOLDS])),
        "certified": (("bounded", "ratio"), np.tile(np.linspace(0.9, 0, len(RATIOS)), (len(BOUNDED), 1))),
        **{f"layer_{k}": (axes, np.ones(shape)) for k in ("smallest", "largest", "factor", "norm_bound")},
        "layer_norm": (axes, norms),
        "layer_constrained": (axes, np.array([[0, 0], [1, 0], [1, 0]], float)),
        "roc": (("model", "false_rate", "fold"), np.tile(rates, (len(SOURCE), 1, FOLDS))),
        "learned": (("model", "curve", "epoch", "fold"), np.full((len(SOURCE), 3, 4, FOLDS), 0.5)),
        "class_count": ("class", [140, 160]),
        "fold_count": (("fold", "class"), np.full((FOLDS, 2), 30)),
        "fold_units": ("fold", [30] * FOLDS),
        "picture": (("shown", "picture_y", "picture_x"), grey),
        "attacked_picture": (("way", "panel", "shown", "picture_y", "picture_x"), attacked),
        "attacked_said": (("way", "panel", "shown"), np.full(per, names[0])),
        "attacked_epsilon": (("way", "panel", "shown"), np.full(per, 0.01)),
        "attacked_snr": (("way", "panel", "shown"), np.full(per, 40.0)),
        "shown_label": ("shown", list(names)),
        "shown_said": ("shown", list(names)),
        "shown_name": ("shown", [f"{n}.png" for n in names]),
    }  # fmt: skip
    coords = {"bounded": list(BOUNDED), "ratio": list(RATIOS), "layer": layers, "model": list(SOURCE),
              "false_rate": FALSE_RATES, "curve": ["accuracy", "loss", "train_loss"], "epoch": np.arange(1, 5),
              "fold": np.arange(1, FOLDS + 1), "class": list(names), "way": ["FGSM", NOISE], "panel": list(PANELS),
              "shown": np.arange(shown)}  # fmt: skip
    return xr.Dataset(variables, coords)


def study_arrays(*, accuracy=(), transfer=(), gain=(), names=NAMES, norm=3.0, **attrs):
    answers = pooled(accuracy, transfer)
    plain, enlarged = copies(gain)
    clean = {name: answers.right(name, PGD_NAME)[0] for name in answers.models}
    found = xr.merge(
        [
            accuracy_arrays(answers),
            score_arrays(answers, clean, LOUD),
            shift_arrays(answers, SHIFTS),
            pair_arrays(answers, PAIRS, 0.25),
            loss_arrays(answers, HARDENED, LOUD),
            order_arrays(answers, LOUD, 0.25),
            enlarged,
            facts(names, norm),
            published_arrays(),
        ],
        join="outer",
        combine_attrs="drop",
    )
    found["model_source"] = ("model", [SOURCE[str(name)] for name in found["model"].values])
    found["plain_fold"] = ("fold", plain.values("accuracy"))
    found.attrs = ATTRIBUTES | attrs
    return found


ATTRIBUTES = {
    "title": "Eye-state study",
    "quantity_of_interest": "accuracy",
    "confidence_level": 0.95,
    "data_name": "eyes",
    "quick": 0,
    "published_recipe": 0,
    "by_person": 1,
    "recipe_text": "WRN-16-1 and CNN at 24 × 24, 6 epochs",
    "n_crops": 300,
    "n_persons": 150,
    "n_units": 150,
    "n_classes": 2,
    "n_folds": FOLDS,
    "loud": LOUD,
    "marked": list(MARKED),
    "noise_way": NOISE,
    "plain_model": WIDE,
    "pgd_steps": 10,
    "pgd_images": 200,
    "mean": 0.5,
    "std": 0.2,
    "seed": 0,
}


def eye_result(**given):
    arrays = study_arrays(**given)
    return StudyResult(
        study="eye",
        config={},
        provenance={"hashes": {}, "versions": {}, "device": "cpu", "seed": 0, "started": "", "finished": ""},
        cost={
            "trainings": 90, "trainings_seconds_in_all": 100.0, "training_seconds": 10.0, "attack_seconds": 5.0,
            "seconds": 16.0,
        },
        headline=headline(arrays),
        findings=find(arrays),
        arrays=arrays,
        messages=messages(arrays, ()),
    )  # fmt: skip
