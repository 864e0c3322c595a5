"""Bounds and masks of a look inside are those of the functions."""

import numpy as np
import torch

from explain_runs import classifier, data, options, places
from shiftgauge.explain.mask_sobol import mask_sobol
from shiftgauge.explain.pixel_bounds import pixel_bounds


def test_bounds_and_masks_are_those_of_the_functions(explained):
    arrays, images = explained[1].arrays, torch.from_numpy(data()[0])
    row = places(arrays["image"])[:1]
    said = str(arrays["asked_class"].values[0])
    bounds = pixel_bounds(classifier(), images[row], said, options=options().bounds)
    assert np.allclose(arrays["pixel_bound"].values[0], bounds.bound[0], rtol=1e-4)
    assert np.allclose(arrays["pixel_bound_limit"].values[0], bounds.limit[0], rtol=1e-4)
    assert (arrays["pixel_bound_low"] <= arrays["pixel_bound"]).all()
    masks = mask_sobol(classifier(), images[row], said, options=options().masks)
    for name in ("total_order", "first_order"):
        assert np.allclose(arrays[f"mask_{name}"].values[0], getattr(masks, name)[0], equal_nan=True, rtol=1e-4)
        assert np.allclose(
            arrays[f"mask_{name}_high"].values[0], getattr(masks, f"{name}_interval")[0, ..., 1], rtol=1e-3
        )
