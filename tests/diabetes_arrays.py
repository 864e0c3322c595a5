"""Arrays of a made-up diabetes study, close to the real one, in which a test changes what it is about."""

import numpy as np
import xarray as xr

NAMES = [
    "Pregnancies",
    "Glucose",
    "BloodPressure",
    "SkinThickness",
    "Insulin",
    "BMI",
    "DiabetesPedigreeFunction",
    "Age",
]
TOTAL = [0.02, 0.47, 0.03, 0.03, 0.15, 0.33, 0.001, 0.16]
FIRST = [0.014, 0.41, 0.001, 0.009, 0.074, 0.27, 0.001, 0.11]
LOCAL = [0.027, 0.571, 0.281, 0.145, 0.574, 0.174, 0.003, 0.259]
PARTS, TRAININGS, SEEDS = ["train", "test", "unused"], ["all 8", "leading 4", "trailing 4"], 4


def by_name(values, **changes):
    """Values of the features in the table's order, some of them replaced."""
    found = dict(zip(NAMES, values, strict=True)) | changes
    return np.array([found[n] for n in NAMES])


def around(values, half):
    values = np.asarray(values, float)
    return np.stack([values - half, values + half], axis=-1)


def study_arrays(**changes):
    """The arrays; a change is the values of a variable, or an attribute of that name."""
    second = np.full((8, 8), 0.001)
    second[1, 5] = 0.018
    sizes, layers = [128, 512], 4
    half = np.array([0.12, 0.03])
    scores = np.array([[0.79, 0.80, 0.80], [0.79, 0.805, 0.80], [0.70, 0.695, 0.70]])[..., None]
    spread = np.array([-0.01, 0, 0, 0.01])
    weights = by_name([0.12] * 8, Glucose=0.14, BMI=0.139, Insulin=0.138, BloodPressure=0.137)
    q, i = ("quantity",), ("input",)
    variables = {
        "first_order": ((*q, *i), [FIRST]),
        "first_order_interval": ((*q, *i, "bound"), [around(FIRST, 0.01)]),
        "total_order": ((*q, *i), [TOTAL]),
        "total_order_interval": ((*q, *i, "bound"), [around(TOTAL, 0.01)]),
        "second_order": ((*q, *i, "input_2"), [second]),
        "second_order_interval": ((*q, *i, "input_2", "bound"), [around(second, 0.005)]),
        "single_first_half": (("n_base", *i), half[:, None] * np.ones(8)),
        "curve_first_order_interval": (
            ("n_base", *q, *i, "bound"),
            np.stack([around([FIRST], h) for h in half / 2]),
        ),
        "local_relative": (("layer", *i), [LOCAL] * layers),
        "local_relative_closed": (i, LOCAL),
        "layer_first_order": (("layer", *i), [by_name([0.001] * 8, Insulin=0.95, Glucose=0.02)] * layers),
        "accuracy": (("part",), [0.772, 0.80, 0.82]),
        "accuracy_batch": (("part",), [0.762, 0.81, 0.82]),
        "majority": (("part",), [0.64, 0.705, 0.6]),
        "part_size": (("part",), [500, 200, 68]),
        "training_accuracy": (("training", "part", "seed"), scores + spread),
        "training_accuracy_leaked": (("training", "part", "seed"), scores + spread + 0.015),
        "training_epochs": (("training",), [2000, 2500, 2500]),
        "training_drop": (("training",), [0, 2200, 2200]),
        "component_share": (("rows", "component"), [[0.24, 0.20, 0.14, 0.11], [0.26, 0.2, 0.14, 0.11]]),
        "component_importance": (("rows", *i), [weights, weights[::-1]]),
        "rule_total_order": (("rule", *i), [TOTAL, by_name(TOTAL, Insulin=0.3), TOTAL]),
        "seed_total_order": (("seed", *i), [TOTAL, *[by_name(TOTAL, Insulin=0.4)] * (SEEDS - 1)]),
    }
    attrs = {"network": "published", "recipe": "published", "replicates": 16, "n_rows": 768}
    for name, values in changes.items():
        if name in variables:
            variables[name] = (variables[name][0], values)
        else:
            attrs[name] = values
    coordinates = {
        "quantity": ["probability"],
        "input": NAMES,
        "input_2": NAMES,
        "n_base": sizes,
        "part": PARTS,
        "training": TRAININGS,
        "rule": ["range", "quantiles", "nonzero"],
        "rows": ["positives", "all"],
    }
    return xr.Dataset(variables, coordinates, attrs)
